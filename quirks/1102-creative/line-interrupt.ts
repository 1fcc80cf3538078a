// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** Sound Blaster X-Fi (EMU20K2): INTX_DISABLE does not mask the line. */
export default defineQuirk({
  name: 'creative/line-interrupt',
  source: 'Linux 6.1, drivers/pci/quirks.c, “broken INTx masking”.',
  match: ids('1102', ['000b']),
  interruptLimits: { maskingBroken: true },
});

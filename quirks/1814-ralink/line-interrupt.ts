// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** RT2800 wireless network controllers: INTX_DISABLE does not mask the line. */
export default defineQuirk({
  name: 'ralink/line-interrupt',
  source: 'Linux 6.1, drivers/pci/quirks.c, “broken INTx masking”.',
  match: ids('1814', ['0601']),
  interruptLimits: { maskingBroken: true },
});

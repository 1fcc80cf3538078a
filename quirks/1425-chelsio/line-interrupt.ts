// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** T310 Ethernet: INTX_DISABLE does not mask the line. */
export default defineQuirk({
  name: 'chelsio/line-interrupt',
  source: 'Linux 6.1, drivers/pci/quirks.c, “broken INTx masking”.',
  match: ids('1425', ['0030']),
  interruptLimits: { maskingBroken: true },
});

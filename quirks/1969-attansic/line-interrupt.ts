// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** Attansic and Killer Ethernet: INTX_DISABLE stops their messages too. */
export default defineQuirk({
  name: 'attansic/line-interrupt',
  source:
    'Linux 6.1, drivers/pci/quirks.c, “MSI INTx disable bug”: the L1, L1C and L1D families; of AR816x, AR817x and Killer ' +
    'E2200 the revisions below 0x18.',
  match: [
    ...ids('1969', ['1062', '1063', '1073', '1083', '2060', '2062']),
    ...ids('1969', ['1090', '1091', '10a0', '10a1', 'e091']).map((one) => ({
      ...one,
      revisions: { from: 0, to: 0x17 },
    })),
  ],
  interruptLimits: { disableStopsMessages: true },
});

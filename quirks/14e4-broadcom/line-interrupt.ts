// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** Gigabit Ethernet BCM5714, 5715 and 5780: INTX_DISABLE stops their messages too. */
export default defineQuirk({
  name: 'broadcom/line-interrupt',
  source: 'Linux 6.1, drivers/pci/quirks.c, “MSI INTx disable bug”.',
  match: ids('14e4', ['1668', '1669', '166a', '166b', '1678', '1679']),
  interruptLimits: { disableStopsMessages: true },
});

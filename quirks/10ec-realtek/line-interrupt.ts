// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** RTL8169: INTX_DISABLE does not mask the line. */
export default defineQuirk({
  name: 'realtek/line-interrupt',
  source: 'Linux 6.1, drivers/pci/quirks.c, “broken INTx masking”.',
  match: ids('10ec', ['8169']),
  interruptLimits: { maskingBroken: true },
});

// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** InfiniTV 4 tuners: INTX_DISABLE does not mask the line. */
export default defineQuirk({
  name: 'ceton/line-interrupt',
  source: 'Linux 6.1, drivers/pci/quirks.c, “broken INTx masking”.',
  match: ids('1b7c', ['0004']),
  interruptLimits: { maskingBroken: true },
});

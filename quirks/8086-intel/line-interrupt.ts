// SPDX-License-Identifier: MIT

import { defineQuirk, ids } from '../index.ts';

/** Ethernet of the 700 and X722 series: INTX_DISABLE does not mask the line. */
export default defineQuirk({
  name: 'intel/line-interrupt',
  source: 'Linux 6.1, drivers/pci/quirks.c, “broken INTx masking”.',
  match: ids('8086', [
    '1572',
    '1574',
    '1580',
    '1581',
    '1583',
    '1584',
    '1585',
    '1586',
    '1587',
    '1588',
    '1589',
    '158a',
    '158b',
    '37d0',
    '37d1',
    '37d2',
  ]),
  interruptLimits: { maskingBroken: true },
});

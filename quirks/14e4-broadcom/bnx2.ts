// SPDX-License-Identifier: MIT

import { defineQuirk, ids, register } from '../index.ts';

/** Gigabit Ethernet of the NetXtreme II family: BCM5706, 5708, 5709, 5716 and their SerDes forms. */
export default defineQuirk({
  name: 'broadcom/bnx2',
  source:
    'Linux driver bnx2 (bnx2.h): byte order and indirect access in MISC_CONFIG, and the window onto the chip’s registers. ' +
    'Ids beyond 164a after the names in pci.ids.',
  match: ids('14e4', ['1639', '163a', '163b', '163c', '164a', '164c', '16aa', '16ac']),
  fields: [
    register(0x68, 32, 'MISC_CONFIG').writable(),
    register(0x78, 32, 'REG_WINDOW_ADDRESS').writable(),
    register(0x80, 32, 'REG_WINDOW').writable(),
  ],
});

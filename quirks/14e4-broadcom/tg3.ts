// SPDX-License-Identifier: MIT

import { defineQuirk, ids, register } from '../index.ts';

const broadcom = [
  ['1600', '1601', '1644', '1645', '1646', '1647', '1648', '1649', '164d', '1653', '1654', '1658', '1659'],
  ['165d', '165e', '1668', '166a', '166b', '166e', '1676', '1677', '1678', '167c', '167d', '167e', '1696'],
  ['169c', '169d', '16a6', '16a7', '16a8', '16c6', '16c7', '16dd', '16f7', '16fd', '16fe', '170d'],
].flat();

/** Gigabit Ethernet of the Tigon3 family, also under the names of SysKonnect, Altima and Apple. */
export default defineQuirk({
  name: 'broadcom/tg3',
  source:
    'the device list that the Xen toolstack brought with it from 2006 on (xend-pci-quirks.sxp): the windows and mailboxes ' +
    'in config space through which the tg3 driver reaches the chip. Its mask column was never used; all bits are open.',
  match: [
    ...ids('14e4', broadcom),
    ...ids('1148', ['4400', '4500']),
    ...ids('173b', ['03e8', '03e9', '03ea', '03eb']),
    ...ids('106b', ['1645']),
  ],
  fields: [
    register(0x68, 32, 'MISC_HOST_CTRL').writable(),
    register(0x70, 32, 'PCISTATE').writable(),
    register(0x78, 32, 'REG_BASE_ADDR').writable(),
    register(0x7c, 32, 'MEM_WIN_BASE_ADDR').writable(),
    register(0x80, 32, 'REG_DATA').writable(),
    register(0x84, 32, 'MEM_WIN_DATA').writable(),
    register(0x90, 32, 'MISC_LOCAL_CTRL').writable(),
    register(0x98, 32, 'STD_RING_PROD_IDX high').writable(),
    register(0x9c, 32, 'STD_RING_PROD_IDX low').writable(),
    register(0xa0, 32, 'RCV_RET_RING_CON_IDX high').writable(),
    register(0xa4, 32, 'RCV_RET_RING_CON_IDX low').writable(),
  ],
});

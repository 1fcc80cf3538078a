// SPDX-License-Identifier: MIT

import { defineQuirk, hide, ids } from '../index.ts';

/** MegaRAID adapters whose vital product data must not be touched: a read of it can hang the firmware. */
export default defineQuirk({
  name: 'lsi/vpd',
  source: 'Linux, list of devices whose VPD is not read (drivers/pci/vpd.c).',
  match: ids('1000', ['005b', '005d', '005f', '002f', '0060', '0071', '0073', '0078', '0079', '007c', '0413']),
  surgery: [hide(0x03)],
});

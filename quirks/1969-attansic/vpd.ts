// SPDX-License-Identifier: MIT

import { defineQuirk, hide } from '../index.ts';

/** Attansic and Killer Ethernet: vital product data of every device of this vendor is broken. */
export default defineQuirk({
  name: 'attansic/vpd',
  source: 'Linux, list of devices whose VPD is not read (drivers/pci/vpd.c): every device of the vendor.',
  match: [{ vendor: 0x1969 }],
  surgery: [hide(0x03)],
});

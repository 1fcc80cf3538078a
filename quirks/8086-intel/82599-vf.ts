// SPDX-License-Identifier: MIT

import { defineQuirk, hide, ids } from '../index.ts';

/** Virtual functions of the 82599: the guest's driver is confused by their PCI Express capability. */
export default defineQuirk({
  name: 'intel/82599-vf',
  source: 'QEMU’s xen_pt hides capability 0x10 of this device from guests.',
  match: ids('8086', ['10ed']),
  surgery: [hide(0x10)],
});

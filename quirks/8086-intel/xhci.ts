// SPDX-License-Identifier: MIT

import { defineQuirk, register } from '../index.ts';

/** USB 3 host controllers of chipsets: which ports are theirs, and which the EHCI controller's. */
export default defineQuirk({
  name: 'intel/xhci',
  source:
    'Linux USB hand-off: reads the masks that firmware left in USB2PRM and USB3PRM and writes them to XUSB2PR and ' +
    'USB3_PSSEN.',
  match: [{ vendor: 0x8086, class: { value: 0x0c0330, mask: 0xffffff } }],
  fields: [
    register(0xd0, 32, 'XUSB2PR').writable(),
    register(0xd4, 32, 'USB2PRM').readOnly(),
    register(0xd8, 32, 'USB3_PSSEN').writable(),
    register(0xdc, 32, 'USB3PRM').readOnly(),
  ],
});

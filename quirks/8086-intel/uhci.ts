// SPDX-License-Identifier: MIT

import { clearOnly, type DeviceMatch, defineQuirk, register } from '../index.ts';

const uhci = (vendor: number): DeviceMatch => ({ vendor, class: { value: 0x0c0300, mask: 0xffffff } });

/** USB 1.1 host controllers of Intel and VIA: the guest takes the controller from the firmware. */
export default defineQuirk({
  name: 'intel/uhci',
  source:
    'Linux, USB hand-off and driver uhci_hcd: USBLEGSUP at 0xC0, write-1-to-clear 0x8F00, read-only 0x5040. The driver ' +
    'writes 0x8F00, then 0x2000. The enables of traps and SMI (UHCI 1.1, §5.2.1) go one way: off.',
  match: [uhci(0x8086), uhci(0x1106)],
  fields: [
    register(0xc0, 8, 'USBLEGSUP low').calls(clearOnly('a guest cannot have SMI raised'), 0xbf).reserved(0x40),
    register(0xc1, 8, 'USBLEGSUP high').clearedByOne(0x8f).writable(0x20).reserved(0x50), // 0x20: USBPIRQDEN
  ],
});

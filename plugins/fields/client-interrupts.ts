// SPDX-License-Identifier: MIT

import { capability, type FieldSet, type PciFunction, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

// MSI and MSI-X where a client of ours looks after them: what a guest writes is its own value. The client asks for vectors by
// messages of its own, and the interrupt policy is asked then. Compare `msi.ts`, `msi-message.ts` and `msix.ts`.

const control = (device: PciFunction, base: number): number => device.readConfig(base + 2, 2);
const isWide = (device: PciFunction, base: number): boolean => (control(device, base) & 0x80) !== 0;
const isMaskable = (device: PciFunction, base: number): boolean => (control(device, base) & 0x100) !== 0;

const address = register(0x04, 32, 'address').emulated(0xfffffffc, 0).readOnly();

/** MSI, id 0x05 (PCI Local Bus 3.0, §6.8.1): enable and number of messages, and the message, are the guest's own. */
export const clientMsi: readonly FieldSet[] = [
  capability(0x05, 'client msi', [register(0x02, 16, 'message control').emulated(0x0071).readOnly()]),
  capability(0x05, 'client msi message, 32-bit', [address, register(0x08, 16, 'data').emulated(0xffff, 0)], {
    when: (device, base) => !isWide(device, base),
  }),
  capability(
    0x05,
    'client msi message, 64-bit',
    [
      address,
      register(0x08, 32, 'upper address').emulated(0xffffffff, 0),
      register(0x0c, 16, 'data').emulated(0xffff, 0),
    ],
    { when: isWide },
  ),
  capability(
    0x05,
    'client msi masking, 32-bit',
    [register(0x0c, 32, 'mask').emulated(0xffffffff, 0), register(0x10, 32, 'pending').readOnly()],
    { when: (device, base) => !isWide(device, base) && isMaskable(device, base) },
  ),
  capability(
    0x05,
    'client msi masking, 64-bit',
    [register(0x10, 32, 'mask').emulated(0xffffffff, 0), register(0x14, 32, 'pending').readOnly()],
    { when: (device, base) => isWide(device, base) && isMaskable(device, base) },
  ),
];

/** MSI-X, id 0x11 (PCI Local Bus 3.0, §6.8.2): enable and the mask of all vectors are the guest's own. */
export const clientMsix: FieldSet = capability(0x11, 'client msi-x', [
  register(0x02, 16, 'message control').emulated(0xc000).readOnly(),
]);

export default fieldPlugin('fields/client-interrupts', ...clientMsi, clientMsix);

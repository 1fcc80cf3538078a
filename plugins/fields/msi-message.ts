// SPDX-License-Identifier: MIT

import { bit, capability, type FieldSet, type PciFunction, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

const WIDE = bit(7);
const MASKABLE = bit(8);

const control = (device: PciFunction, base: number): number => device.readConfig(base + 2, 2);
const isWide = (device: PciFunction, base: number): boolean => (control(device, base) & WIDE) !== 0;
const isMaskable = (device: PciFunction, base: number): boolean => (control(device, base) & MASKABLE) !== 0;

/**
 * The message of MSI, id 0x05 (PCI Local Bus 3.0, §6.8.1), behind its control word. Where the host lets interrupts go is
 * not the guest's to see (D-C17, S-10), and the mask bits are the hypervisor's (XSA-129): claimed, so that permissive mode
 * does not open them. A guest gets its vectors by requests.
 */
export const msiMessage: readonly FieldSet[] = [
  capability(
    0x05,
    'msi message, 32-bit',
    [register(0x04, 32, 'address').shows(0), register(0x08, 16, 'data').shows(0)],
    { when: (device, base) => !isWide(device, base) },
  ),
  capability(
    0x05,
    'msi message, 64-bit',
    [
      register(0x04, 32, 'address').shows(0),
      register(0x08, 32, 'upper address').shows(0),
      register(0x0c, 16, 'data').shows(0),
    ],
    { when: isWide },
  ),
  capability(
    0x05,
    'msi masking, 32-bit',
    [register(0x0c, 32, 'mask').readOnly(), register(0x10, 32, 'pending').readOnly()],
    { when: (device, base) => !isWide(device, base) && isMaskable(device, base) },
  ),
  capability(
    0x05,
    'msi masking, 64-bit',
    [register(0x10, 32, 'mask').readOnly(), register(0x14, 32, 'pending').readOnly()],
    { when: (device, base) => isWide(device, base) && isMaskable(device, base) },
  ),
];

export default fieldPlugin('fields/msi-message', ...msiMessage);

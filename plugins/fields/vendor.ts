// SPDX-License-Identifier: MIT

import { capability, extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { closed } from './closed.ts';
import { fieldPlugin } from './field-plugin.ts';

/**
 * Vendor-specific capability, id 0x09 (PCI Local Bus 3.0, appendix H).
 *
 * Its body is claimed by nobody. vfio-pci and xen_pt write it raw; the kernel's back end drops. This drops: a vendor's
 * window into the chip can be a back door (XSA-124), and what a driver needs of it a quirk opens, bit by bit.
 */
export const vendorSpecific: FieldSet = capability(0x09, 'vendor specific', [register(0x02, 8, 'length').readOnly()]);

/** Vendor-specific extended capability, id 0x000b (PCI Express 5.0, §7.9.5): the same rule. */
export const vendorSpecificExtended: FieldSet = extendedCapability(0x000b, 'vendor specific extended', [
  register(0x04, 32, 'vendor header').readOnly(),
]);

/** Designated vendor-specific, extended id 0x0023 (PCI Express 5.0, §7.9): the same rule, for a vendor that is named in it. */
export const designatedVendorSpecific: FieldSet = closed(0x0023, 'designated vendor specific', [
  [0x04, 32, 'vendor header'],
  [0x08, 16, 'layout id'],
]);

export default fieldPlugin('fields/vendor', vendorSpecific, vendorSpecificExtended, designatedVendorSpecific);

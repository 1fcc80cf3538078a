// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Process address space ids, extended id 0x001b (PCI Express 5.0, §7.8.8): tables of the host's IOMMU. */
export const processSpaces: FieldSet = extendedCapability(0x001b, 'pasid', [
  register(0x04, 16, 'capabilities').readOnly(),
  register(0x06, 16, 'control').readOnly(),
]);

export default fieldPlugin('fields/pasid', processSpaces);

// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Page requests, extended id 0x0013 (PCI Express 5.0, §10.5.2): they go to the host's IOMMU driver. */
export const pageRequests: FieldSet = extendedCapability(0x0013, 'pri', [
  register(0x04, 16, 'control').readOnly(),
  register(0x06, 16, 'status').readOnly(),
  register(0x08, 32, 'outstanding capacity').readOnly(),
  register(0x0c, 32, 'outstanding allocation').readOnly(),
]);

export default fieldPlugin('fields/pri', pageRequests);

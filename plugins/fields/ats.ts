// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/**
 * Address translation services, extended id 0x000f (PCI Express 5.0, §10.5.1). Requests that are marked as translated go
 * past the IOMMU: the enable bit is the host's, in permissive mode too.
 */
export const addressTranslation: FieldSet = extendedCapability(0x000f, 'ats', [
  register(0x04, 16, 'capabilities').readOnly(),
  register(0x06, 16, 'control').readOnly(),
]);

export default fieldPlugin('fields/ats', addressTranslation);

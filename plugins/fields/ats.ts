// SPDX-License-Identifier: MIT

import { definePlugin, extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';

/**
 * Address translation services, extended id 0x000f (PCI Express 5.0, §10.5.1). Requests that are marked as translated go
 * past the IOMMU: the enable bit is the host's, in permissive mode too.
 */
export const addressTranslation: FieldSet = extendedCapability(0x000f, 'ats', [
  register(0x04, 16, 'capabilities').readOnly(),
  register(0x06, 16, 'control').readOnly(),
]);

export default definePlugin({
  name: 'fields/ats',
  api: '^1.0',
  apply: (host) => {
    host.fields.add(addressTranslation);
  },
});

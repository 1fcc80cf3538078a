// SPDX-License-Identifier: MIT

import { definePlugin, extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';

/** Device serial number, extended id 0x0003 (PCI Express 5.0, §7.9.3). */
export const serialNumber: FieldSet = extendedCapability(0x0003, 'serial number', [
  register(0x04, 32, 'lower').readOnly(),
  register(0x08, 32, 'upper').readOnly(),
]);

export default definePlugin({
  name: 'fields/dsn',
  api: '^1.0',
  apply: (host) => {
    host.fields.add(serialNumber);
  },
});

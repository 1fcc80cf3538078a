// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Device serial number, extended id 0x0003 (PCI Express 5.0, §7.9.3). */
export const serialNumber: FieldSet = extendedCapability(0x0003, 'serial number', [
  register(0x04, 32, 'lower').readOnly(),
  register(0x08, 32, 'upper').readOnly(),
]);

export default fieldPlugin('fields/dsn', serialNumber);

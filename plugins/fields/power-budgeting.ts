// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Power budgeting, extended id 0x0004 (PCI Express 5.0, §7.8.1). */
export const powerBudgeting: FieldSet = extendedCapability(0x0004, 'power budgeting', [
  register(0x04, 8, 'data select').writable(), // only chooses what the next register shows (vfio-pci too)
  register(0x08, 32, 'data').readOnly(),
  register(0x0c, 8, 'capabilities').readOnly(),
]);

export default fieldPlugin('fields/power-budgeting', powerBudgeting);

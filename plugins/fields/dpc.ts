// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Downstream port containment, extended id 0x001d (PCI Express 5.0, §7.9.15): of ports, which no guest gets. */
export const portContainment: FieldSet = extendedCapability(0x001d, 'dpc', [
  register(0x04, 16, 'capabilities').readOnly(),
  register(0x06, 16, 'control').readOnly(),
  register(0x08, 16, 'status').readOnly(),
  register(0x0a, 16, 'error source').readOnly(),
]);

export default fieldPlugin('fields/dpc', portContainment);

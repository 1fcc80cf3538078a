// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/**
 * Precision time measurement, extended id 0x001f (PCI Express 5.0, §7.9.16). It needs the ports above; a value of the
 * guest's own would promise a clock that does not run, so its writes are refused.
 */
export const timeMeasurement: FieldSet = extendedCapability(0x001f, 'ptm', [
  register(0x04, 32, 'capabilities').readOnly(),
  register(0x08, 32, 'control').readOnly(),
]);

export default fieldPlugin('fields/ptm', timeMeasurement);

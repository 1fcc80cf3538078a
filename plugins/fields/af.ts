// SPDX-License-Identifier: MIT

import { bit, capability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';
import { functionReset } from './function-reset.ts';

/** Bit 1 of capabilities, one byte before control. */
const reset = functionReset({ before: 1, size: 1, mask: bit(1) });

/** Advanced features capability, id 0x13 (Advanced Capabilities for Conventional PCI, 2006). */
export const advancedFeatures: FieldSet = capability(0x13, 'advanced features', [
  register(0x02, 8, 'length').readOnly(),
  register(0x03, 8, 'capabilities').readOnly(),
  register(0x04, 8, 'control').calls(reset, bit(0)).reserved(),
  register(0x05, 8, 'status').readOnly(),
]);

export default fieldPlugin('fields/af', advancedFeatures);

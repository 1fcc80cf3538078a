// SPDX-License-Identifier: MIT

import { extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/**
 * Access control services, extended id 0x000d (PCI Express 5.0, §7.7.8). What keeps devices apart is the host's. A guest's
 * own value would tell it of an isolation that is not there, so it sees hardware's, and its writes are refused.
 */
export const accessControl: FieldSet = extendedCapability(0x000d, 'acs', [
  register(0x04, 16, 'capabilities').readOnly(),
  register(0x06, 16, 'control').readOnly(),
]);

export default fieldPlugin('fields/acs', accessControl);

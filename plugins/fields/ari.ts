// SPDX-License-Identifier: MIT

import { bits, extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/** Alternative routing-id interpretation, extended id 0x000e (PCI Express 5.0, §7.8.7). */
export const alternativeRouting: FieldSet = extendedCapability(0x000e, 'ari', [
  register(0x04, 16, 'capabilities')
    .shows(0, bits(15, 8)) //                 next function: numbers of the host's bus, not of the guest's slots
    .readOnly(),
  register(0x06, 16, 'control').readOnly(), // function groups: shared by functions that others have
]);

export default fieldPlugin('fields/ari', alternativeRouting);

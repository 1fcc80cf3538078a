// SPDX-License-Identifier: MIT

import { bits, extendedCapability, type FieldSet, register } from '../../core/plugin/index.ts';
import { fieldPlugin } from './field-plugin.ts';

/**
 * Latency tolerance reporting, extended id 0x0018 (PCI Express 5.0, §7.8.2). How long the host's memory may sleep is the
 * host's to say: value (9:0) and scale (12:10) are the guest's own.
 */
export const latencyTolerance: FieldSet = extendedCapability(0x0018, 'ltr', [
  register(0x04, 16, 'max snoop latency').emulated(bits(12, 0)).reserved(),
  register(0x06, 16, 'max no-snoop latency').emulated(bits(12, 0)).reserved(),
]);

export default fieldPlugin('fields/ltr', latencyTolerance);

// SPDX-License-Identifier: MIT

import { type FieldSet, header, offCapabilityHeaders, onCapabilityHeader, onlyValues, register } from './index.ts';

const OFFSET = 0x41;

/**
 * RETRY_TIMEOUT of wireless chips, a byte that their drivers set to 0. A chip with a capability at 0x40 has its next pointer
 * there instead: a zero would take the rest of the list away.
 */
export const retryTimeout: readonly FieldSet[] = [
  header('retry', [0], [register(OFFSET, 8, 'RETRY_TIMEOUT').calls(onlyValues([0], 'it can only be switched off'))], {
    when: offCapabilityHeaders(OFFSET),
  }),
  header('no retry', [0], [register(OFFSET, 8, 'next capability, not RETRY_TIMEOUT').readOnly()], {
    when: onCapabilityHeader(OFFSET),
  }),
];

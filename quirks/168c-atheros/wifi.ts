// SPDX-License-Identifier: MIT

import {
  defineQuirk,
  header,
  offCapabilityHeaders,
  onCapabilityHeader,
  onlyValues,
  register,
} from '../../core/quirk/quirk.ts';

/** Wireless network controllers: RETRY_TIMEOUT can be switched off, where the byte is that register. */
export default defineQuirk({
  name: 'atheros/wifi',
  source:
    'Linux drivers ath5k, ath9k and ath10k clear bits 15:8 of the word at 0x40; some cards need it (f0214843ba). Chips ' +
    'with a capability at 0x40 have its next pointer there.',
  match: [{ vendor: 0x168c, class: { value: 0x020000, mask: 0xff0000 } }],
  fields: [
    {
      ...header(
        'retry',
        [0],
        [register(0x41, 8, 'RETRY_TIMEOUT').calls(onlyValues([0], 'it can only be switched off'))],
      ),
      when: offCapabilityHeaders(0x41),
    },
    {
      ...header('no retry', [0], [register(0x41, 8, 'next capability, not RETRY_TIMEOUT').readOnly()]),
      when: onCapabilityHeader(0x41),
    },
  ],
});

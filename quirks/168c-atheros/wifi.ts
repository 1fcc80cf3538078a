// SPDX-License-Identifier: MIT

import { defineQuirk } from '../index.ts';
import { retryTimeout } from '../retry-timeout.ts';

/** Wireless network controllers: RETRY_TIMEOUT can be switched off, where the byte is that register. */
export default defineQuirk({
  name: 'atheros/wifi',
  source:
    'Linux drivers ath5k, ath9k and ath10k clear bits 15:8 of the word at 0x40; some cards need it (f0214843ba). Chips ' +
    'with a capability at 0x40 have its next pointer there.',
  match: [{ vendor: 0x168c, class: { value: 0x020000, mask: 0xff0000 } }],
  fields: retryTimeout,
});

// SPDX-License-Identifier: MIT

import { defineQuirk } from '../index.ts';
import { retryTimeout } from '../retry-timeout.ts';

/** Wireless network controllers: RETRY_TIMEOUT can be switched off, where the byte is that register. */
export default defineQuirk({
  name: 'intel/wifi',
  source:
    'Linux drivers ipw2x00 and iwlwifi write 0 to RETRY_TIMEOUT so that retries do not keep the processor from C3. ' +
    'Later chips (Cannon Point-LP CNVi among them) have a capability at 0x40 and its next pointer in this byte: writing ' +
    'it there lost the guest MSI-X (linux-wireless, J. Andryuk, 2022-11-17).',
  match: [{ vendor: 0x8086, class: { value: 0x028000, mask: 0xffff00 } }],
  fields: retryTimeout,
});

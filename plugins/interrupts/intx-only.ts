// SPDX-License-Identifier: MIT

import type { InterruptPolicy } from '../../core/plugin/index.ts';
import { policyPlugin } from './policy-plugin.ts';
import { linux61, switchesOn } from './rules.ts';

/** Line interrupts only: for devices whose messages are broken, and to measure what messages gain. */
export const intxOnly: InterruptPolicy = {
  about: 'Line interrupts only. MSI and MSI-X come on neither through the ring nor by config writes.',
  ...linux61,
  allowsControlWord: (question) => !switchesOn(question) && linux61.allowsControlWord(question),
  refusesRequest: () => 'the policy intx-only leaves the guest its line interrupt',
};

export default policyPlugin('intx-only', intxOnly);

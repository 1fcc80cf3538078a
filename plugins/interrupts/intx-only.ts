// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy } from '../../core/plugin/index.ts';
import { type Decisions, decisionsOf } from './decisions.ts';
import { allowsControlWord, decidesIntx, switchesOn } from './rules.ts';

/** Line interrupts only: for devices whose messages are broken, and to measure what messages gain. */
export const intxOnly: InterruptPolicy = {
  about: 'Line interrupts only. MSI and MSI-X come on neither through the ring nor by config writes.',
  allowsControlWord: (question) => !switchesOn(question) && allowsControlWord(question),
  controlWordsUnlessAllowed: 'refused',
  decidesIntx,
  intxUnlessAllowed: 'virtual',
  refusesRequest: () => 'the policy intx-only leaves the guest its line interrupt',
};

/** Every decision, for tests and documents. */
export const decisionTable = (): Decisions => decisionsOf(intxOnly);

export default definePlugin({
  name: 'interrupts/intx-only',
  api: '^1.0',
  apply: (host) => {
    host.interrupts.add('intx-only', intxOnly);
  },
});

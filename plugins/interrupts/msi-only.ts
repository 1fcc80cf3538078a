// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy } from '../../core/plugin/index.ts';
import { type Decisions, decisionsOf } from './decisions.ts';
import { allowsControlWord, decidesIntx, switchesOn } from './rules.ts';

/** MSI, which has one vector here, and no MSI-X: a stock driver takes the refusal as "no MSI-X" and asks for MSI. */
export const msiOnly: InterruptPolicy = {
  about: 'One vector for each device: MSI as in `strict`, MSI-X neither through the ring nor by config writes.',
  allowsControlWord: (question) => !(question.kind === 'msix' && switchesOn(question)) && allowsControlWord(question),
  controlWordsUnlessAllowed: 'refused',
  decidesIntx,
  intxUnlessAllowed: 'virtual',
  refusesRequest: ({ kind }) => (kind === 'msix' ? 'the policy msi-only leaves the guest MSI' : undefined),
};

/** Every decision, for tests and documents. */
export const decisionTable = (): Decisions => decisionsOf(msiOnly);

export default definePlugin({
  name: 'interrupts/msi-only',
  api: '^1.0',
  apply: (host) => {
    host.interrupts.add('msi-only', msiOnly);
  },
});

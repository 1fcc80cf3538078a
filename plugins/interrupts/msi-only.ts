// SPDX-License-Identifier: MIT

import type { InterruptPolicy } from '../../core/plugin/index.ts';
import { policyPlugin } from './policy-plugin.ts';
import { linux61, switchesOn } from './rules.ts';

/** MSI, which has one vector here, and no MSI-X: a stock driver takes the refusal as "no MSI-X" and asks for MSI. */
export const msiOnly: InterruptPolicy = {
  about: 'One vector for each device: MSI as in `strict`, MSI-X neither through the ring nor by config writes.',
  ...linux61,
  allowsControlWord: (question) =>
    !(question.kind === 'msix' && switchesOn(question)) && linux61.allowsControlWord(question),
  refusesRequest: ({ kind }) => (kind === 'msix' ? 'the policy msi-only leaves the guest MSI' : undefined),
};

export default policyPlugin('msi-only', msiOnly);

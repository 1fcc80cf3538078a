// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy } from '../../core/plugin/index.ts';
import { type Decisions, decisionsOf } from './decisions.ts';
import { allowsControlWord2020, decidesIntx2020 } from './rules.ts';

/**
 * The rules as they were first written (seed 476878e4b2). Of INTx, MSI and MSI-X one may be on: a device model has to
 * switch one off before it switches another on. Later kernels relaxed this, for Linux guests do it the other way round.
 */
export const guestControlled2020: InterruptPolicy = {
  about:
    'The rules of 2020, before the kernel relaxed them: MSI and MSI-X come on only while INTx is off, INTx only while both are off, and the function mask stays. Config writes only with `allowInterruptControl`.',
  allowsControlWord: allowsControlWord2020,
  controlWordsUnlessAllowed: 'refused',
  decidesIntx: decidesIntx2020,
  intxUnlessAllowed: 'virtual',
};

/** Every decision, for tests and documents. */
export const decisionTable = (): Decisions => decisionsOf(guestControlled2020);

export default definePlugin({
  name: 'interrupts/guest-controlled-2020',
  api: '^1.0',
  apply: (host) => {
    host.interrupts.add('guest-controlled-2020', guestControlled2020);
  },
});

// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy } from '../../core/plugin/index.ts';
import { type Decisions, decisionsOf } from './decisions.ts';
import { allowsControlWord, decidesIntx } from './rules.ts';

export { allowsControlWord } from './rules.ts';

/** The rules of Linux 6.1: config writes only with the administrator's permission, requests through the ring always. */
export const strict: InterruptPolicy = {
  about: 'The rules of Linux 6.1: config writes only with `allowInterruptControl`, requests through the ring always.',
  allowsControlWord,
  controlWordsUnlessAllowed: 'refused',
  decidesIntx,
  intxUnlessAllowed: 'virtual',
};

/** Every decision, for tests and documents. */
export const decisionTable = (): Decisions => decisionsOf(strict);

export default definePlugin({
  name: 'interrupts/strict',
  api: '^1.0',
  apply: (host) => {
    host.interrupts.add('strict', strict);
  },
});

// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy } from '../../core/plugin/index.ts';
import { type Decisions, decisionsOf } from './decisions.ts';
import { allowsControlWord, decidesIntx } from './rules.ts';

const BY_CONFIG = 'the device model switches interrupts of this device by config writes';

/**
 * For device models in stub domains: config writes by the rules of Linux 6.1, and no second way beside them.
 *
 * A policy holds rules, never the permission. That is the device's, in the hands of this guest: `allowInterruptControl`.
 * Chosen for all guests by mistake, this policy opens nothing.
 */
export const guestControlled: InterruptPolicy = {
  about:
    'For device models in stub domains. A device with `allowInterruptControl`: by config writes only, as in `strict`; through the ring nothing, so that two parties never hold one enable bit. Any other device: as `strict`.',
  allowsControlWord,
  controlWordsUnlessAllowed: 'refused',
  decidesIntx,
  intxUnlessAllowed: 'virtual',
  refusesRequest: ({ allowed }) => (allowed ? BY_CONFIG : undefined),
};

/** Every decision, for tests and documents. */
export const decisionTable = (): Decisions => decisionsOf(guestControlled);

export default definePlugin({
  name: 'interrupts/guest-controlled',
  api: '^1.0',
  apply: (host) => {
    host.interrupts.add('guest-controlled', guestControlled);
  },
});

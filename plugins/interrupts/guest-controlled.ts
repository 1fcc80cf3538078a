// SPDX-License-Identifier: MIT

import type { InterruptPolicy } from '../../core/plugin/index.ts';
import { policyPlugin } from './policy-plugin.ts';
import { linux61 } from './rules.ts';

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
  ...linux61,
  refusesRequest: ({ allowed }) => (allowed ? BY_CONFIG : undefined),
};

export default policyPlugin('guest-controlled', guestControlled);

// SPDX-License-Identifier: MIT

import type { InterruptPolicy } from '../../core/plugin/index.ts';
import { policyPlugin } from './policy-plugin.ts';
import { linux61 } from './rules.ts';

/** The rules of Linux 6.1: config writes only with the administrator's permission, requests through the ring always. */
export const strict: InterruptPolicy = {
  about: 'The rules of Linux 6.1: config writes only with `allowInterruptControl`, requests through the ring always.',
  ...linux61,
};

export default policyPlugin('strict', strict);

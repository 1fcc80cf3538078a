// SPDX-License-Identifier: MIT

import type { InterruptPolicy } from '../../core/plugin/index.ts';
import { policyPlugin } from './policy-plugin.ts';
import { allowsControlWord2020, decidesIntx2020, linux61 } from './rules.ts';

/**
 * The rules as they were first written (seed 476878e4b2). Of INTx, MSI and MSI-X one may be on: a device model has to
 * switch one off before it switches another on. Later kernels relaxed this, for Linux guests do it the other way round.
 */
export const guestControlled2020: InterruptPolicy = {
  about:
    'The rules of 2020, before the kernel relaxed them: MSI and MSI-X come on only while INTx is off, INTx only while both are off, and the function mask stays. Config writes only with `allowInterruptControl`.',
  ...linux61,
  allowsControlWord: allowsControlWord2020,
  decidesIntx: decidesIntx2020,
};

export default policyPlugin('guest-controlled-2020', guestControlled2020);

// SPDX-License-Identifier: MIT

import { describeError } from '../core/errors/index.ts';
import type { Registries } from '../core/plugin/index.ts';
import { fail } from './errors.ts';
import type { NativeLoader } from './kinds/native.ts';

/**
 * The foreign-function loader of that name; without a name the first that loads.
 *
 * @throws PcibackError `CHOICE_UNKNOWN`, `NATIVE_UNAVAILABLE`
 */
export const openNative = async ({ natives }: Pick<Registries, 'natives'>, name?: string): Promise<NativeLoader> => {
  if (name !== undefined) return natives.get(name)();
  const reasons: string[] = [];
  for (const one of natives.names) {
    try {
      return await natives.get(one)();
    } catch (error) {
      reasons.push(describeError(error));
    }
  }
  return fail('NATIVE_UNAVAILABLE', { wanted: natives.names.join(' or '), why: reasons.join('; ') });
};

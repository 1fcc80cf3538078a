// SPDX-License-Identifier: MIT

import { type KnownResets, termsOf } from './known.ts';
import { resetMethods } from './methods.ts';

/** What would become of one method. */
export interface PlannedMethod {
  readonly name: string;
  readonly about: string;
  readonly verdict: 'first' | 'next' | 'refused' | 'not offered';
  /** Of one that is refused, or not offered for a reason that is known. */
  readonly why?: string;
  /** Functions that it resets too, with who has them. */
  readonly shares: readonly string[];
}

/** What a reset of the device would try. */
export interface ResetPlan {
  readonly methods: readonly PlannedMethod[];
  /** Milliseconds that are waited afterwards. */
  readonly delay: number;
}

/**
 * Works out what would be tried, in which order.
 *
 * @param offered by the host, in its order; `undefined`: it does not tell
 * @param siblings functions below the same bridge, with who has them
 */
export const planOf = (
  offered: readonly string[] | undefined,
  known: readonly KnownResets[],
  siblings: readonly string[],
): ResetPlan => {
  const { delay } = termsOf(known);
  const names = [...new Set([...(offered ?? []), ...resetMethods.map(({ name }) => name)])];
  let isFirst = true;
  const methods = names.map((name): PlannedMethod => {
    const method = resetMethods.find((one) => one.name === name);
    const shares = method?.reach === 'bus' ? siblings : [];
    const common = { name, about: method?.about ?? 'a method of this host', shares };
    const broken = known.find((one) => one.broken?.includes(name));
    if (broken !== undefined) return { ...common, verdict: 'refused', why: broken.why };
    if (offered?.includes(name) !== true) {
      return { ...common, verdict: 'not offered', ...(shares.length > 0 ? { why: 'other functions share it' } : {}) };
    }
    const verdict = isFirst ? 'first' : 'next';
    isFirst = false;
    return { ...common, verdict };
  });
  return { methods, delay };
};

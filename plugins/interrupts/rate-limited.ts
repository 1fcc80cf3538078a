// SPDX-License-Identifier: MIT

import { definePlugin, type InterruptPolicy, type PolicyFacts } from '../../core/plugin/index.ts';
import { type RateLimits, usualLimits } from './rate-defaults.ts';
import { switchesOn } from './rules.ts';

/**
 * Attempts in a sliding window. A refused one counts too: a guest that goes on trying is let in again only when it has
 * been calm.
 */
class Attempts {
  /** Times of the last attempts, the oldest at `#oldest`; a ring. */
  readonly #times: Float64Array;
  readonly #window: number;
  #oldest = 0;

  constructor(changes: number, window: number) {
    this.#times = new Float64Array(changes).fill(Number.NEGATIVE_INFINITY);
    this.#window = window;
  }

  /** Records an attempt at `now`, milliseconds; whether it is one too many. */
  isTooMany(now: number): boolean {
    const oldest = this.#times[this.#oldest] ?? now;
    this.#times[this.#oldest] = now;
    this.#oldest = (this.#oldest + 1) % this.#times.length;
    return now - oldest < this.#window;
  }
}

/** Puts limits around a policy, for one device and guest. Switching off is never limited. */
export const rateLimited = (
  inner: InterruptPolicy,
  { changes, seconds }: Pick<RateLimits, 'changes' | 'seconds'>,
  clock: PolicyFacts['clock'],
): InterruptPolicy => {
  const attempts = new Attempts(changes, seconds * 1000);
  const why = `MSI and MSI-X were switched on more than ${changes} times in ${seconds} seconds`;
  return {
    about:
      'Another policy (default `strict`) with a limit around it: a guest that switches MSI or MSI-X on more than `changes` times in `seconds` is refused until it has been calm as long. Switching off is never limited.',
    allowsControlWord: (question) => {
      if (!inner.allowsControlWord(question)) return false;
      return !(switchesOn(question) && attempts.isTooMany(clock.now()));
    },
    // What the policy inside refuses is not counted as an attempt.
    ...(inner.controlWordsUnlessAllowed === undefined
      ? {}
      : { controlWordsUnlessAllowed: inner.controlWordsUnlessAllowed }),
    ...(inner.decidesIntx === undefined
      ? {}
      : { decidesIntx: (question) => inner.decidesIntx?.(question) ?? 'refused' }),
    // INTX_DISABLE is not counted at all.
    ...(inner.intxUnlessAllowed === undefined ? {} : { intxUnlessAllowed: inner.intxUnlessAllowed }),
    refusesRequest: (question) =>
      inner.refusesRequest?.(question) ?? (attempts.isTooMany(clock.now()) ? why : undefined),
  };
};

const loadSchema = async () => {
  const { rateLimits } = await import('./rate-limits.ts');
  return rateLimits;
};

export default definePlugin({
  name: 'interrupts/rate-limited',
  api: '^1.0',
  options: { defaults: usualLimits, schema: loadSchema },
  apply: (host, limits) => {
    host.interrupts.add('rate-limited', ({ policy, clock }) => rateLimited(policy(limits.policy), limits, clock));
  },
});

// SPDX-License-Identifier: MIT

import type { WatchPolicy } from '../kinds/answerer.ts';

/** A policy and what it is measured in. */
export interface Watch {
  readonly policy: WatchPolicy;
  /** Milliseconds of a wake-up on this host. */
  readonly wakeMs: () => number;
}

/** A watch lasts this many typical gaps between an answer and the next request. */
const GAPS = 4;
/** Weight of the newest gap in the average. */
const WEIGHT = 1 / 8;

/**
 * How long to look at pages for a next request: a few times the gap that guests leave between an answer and their next
 * request. Never longer than some wake-ups of this host take: sleeping would be cheaper then. All times in milliseconds.
 */
export class WatchWindow {
  readonly #watch: Watch;
  #gap = 0;
  #inVain = 0;

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  /** The longest watch, whatever guests do. */
  get limit(): number {
    const { longest, wakeUps } = this.#watch.policy;
    return Math.min(longest, wakeUps * this.#watch.wakeMs());
  }

  /** The next watch. */
  get length(): number {
    const limit = this.limit;
    const { shortest, patience } = this.#watch.policy;
    if (this.#inVain > patience) return Math.min(limit, shortest);
    return this.#gap === 0 ? limit : Math.min(limit, Math.max(shortest, this.#gap * GAPS));
  }

  /** A request came `gap` after the last answer: found by looking, or by an event after the watch had ended. */
  came(gap: number): void {
    const limit = this.limit;
    // A longer gap is a pause between two bursts, and says nothing about the gaps inside of a burst.
    if (gap > limit) return;
    this.#inVain = 0;
    this.#gap = this.#gap === 0 ? gap : this.#gap + (gap - this.#gap) * WEIGHT;
  }

  /** Forgets what it learnt of gaps. */
  forget(): void {
    this.#gap = 0;
    this.#inVain = 0;
  }

  /** A watch ended without a request. */
  vain(): void {
    this.#inVain++;
  }
}

// SPDX-License-Identifier: MIT

/** A watch lasts this many typical gaps between an answer and the next request. */
const GAPS = 4;
/** Weight of the newest gap in the average. */
const WEIGHT = 1 / 8;

/**
 * How long to watch next: a few times the gap that guests leave between an answer and their next request, and never
 * longer than a number of wake-ups would cost, so that watching is worth it. All times in milliseconds.
 */
import type { Watch } from '../platform/watch.ts';
export class WatchWindow {
  readonly #watch: Watch;
  #gap = 0;
  #inVain = 0;

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  /** The longest watch. */
  get limit(): number {
    const { longest, wakeUps } = this.#watch.policy;
    return Math.min(longest, wakeUps * this.#watch.wakeMs());
  }

  get length(): number {
    const limit = this.limit;
    const { shortest, patience } = this.#watch.policy;
    if (this.#inVain > patience) return Math.min(limit, shortest);
    return this.#gap === 0 ? limit : Math.min(limit, Math.max(shortest, this.#gap * GAPS));
  }

  /** A request came `gap` after the last answer; by an event, when watching had ended before. */
  came(gap: number): void {
    const limit = this.limit;
    // A pause between bursts says nothing about the gaps inside of them.
    if (gap > limit) return;
    this.#inVain = 0;
    this.#gap = this.#gap === 0 ? gap : this.#gap + (gap - this.#gap) * WEIGHT;
  }

  /** Knows of no gap any more. */
  forget(): void {
    this.#gap = 0;
    this.#inVain = 0;
  }

  /** A watch ended without a request. */
  vain(): void {
    this.#inVain++;
  }
}

// SPDX-License-Identifier: MIT

import type { Watch } from './shared.ts';

/** A watch lasts this many typical gaps between an answer and the next request. */
const GAPS = 4;
/** Weight of the newest gap in the average, and of a longer one in what quick guests take. */
const WEIGHT = 1 / 8;
const SLOWER = 1 / 64;

/**
 * How long to watch next: a few times the gap that guests leave between an answer and their next request, and never
 * longer than a number of wake-ups would cost, so that watching is worth it. All times in milliseconds.
 */
export class WatchWindow {
  readonly #watch: Watch;
  #gap = 0;
  #quick = 0;
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

  /** The gap that guests leave, on average; 0: not known yet. */
  get gap(): number {
    return this.#gap;
  }

  /** The gap that guests leave when nothing keeps them; 0: not known yet. */
  get quick(): number {
    return this.#quick;
  }

  /** A request came `gap` after the last answer; by an event, when watching had ended before. */
  came(gap: number): void {
    const limit = this.limit;
    // A pause between bursts says nothing about the gaps inside of them.
    if (gap > limit) return;
    this.#inVain = 0;
    this.#gap = this.#gap === 0 ? gap : this.#gap + (gap - this.#gap) * WEIGHT;
    this.#quick = this.#quick === 0 || gap < this.#quick ? gap : this.#quick + (gap - this.#quick) * SLOWER;
  }

  /** Knows of no gap any more. */
  forget(): void {
    this.#gap = 0;
    this.#quick = 0;
    this.#inVain = 0;
  }

  /** A watch ended without a request. */
  vain(): void {
    this.#inVain++;
  }
}

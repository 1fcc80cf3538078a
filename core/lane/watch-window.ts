// SPDX-License-Identifier: MIT

import type { WatchPolicy } from './shared.ts';

/** A watch lasts this many typical gaps between an answer and the next request. */
const GAPS = 4;
/** Weight of the newest gap in the average. */
const WEIGHT = 1 / 8;

/** How long to watch next: a few times the gap that guests leave between their requests, within the policy's bounds. */
export class WatchWindow {
  readonly #policy: WatchPolicy;
  #gap: number;
  #inVain = 0;

  constructor(policy: WatchPolicy) {
    this.#policy = policy;
    this.#gap = policy.longest / GAPS;
  }

  /** Milliseconds. */
  get length(): number {
    const { longest, shortest, patience } = this.#policy;
    if (this.#inVain > patience) return Math.min(longest, shortest);
    return Math.min(longest, Math.max(shortest, this.#gap * GAPS));
  }

  /** A request was seen `gap` milliseconds after the one before. */
  found(gap: number): void {
    this.#inVain = 0;
    this.#gap += (Math.min(gap, this.#policy.longest) - this.#gap) * WEIGHT;
  }

  /** A watch ended without a request. */
  vain(): void {
    this.#inVain++;
  }
}

// SPDX-License-Identifier: MIT

/** Milliseconds of watching that a guest has at once, after a quiet time. */
const WATCH_MS = 20;
/** Milliseconds of answers that it has at once while others ask too, and its part of the lane in the long run. */
const ANSWERS_MS = 50;
const ANSWERS_SHARE = 0.5;
/** A longer answer measures nothing: the thread had lost its processor, or the kernel made it wait. */
const LONGEST_ANSWER_MS = 5;
/** The part of one processor that watching for one guest may take in the long run, where the policy names none. */
export const USUAL_SHARE = 0.2;

/** What one guest has had of the lane. All times in milliseconds. */
export class Account {
  /** While others ask too the guest has had more than its part until then. */
  heldUntil = Number.NEGATIVE_INFINITY;
  readonly #share: number;
  #watch = WATCH_MS;
  #answers = ANSWERS_MS;
  #at = 0;

  /** @param share the part of one processor that watching for the guest may take in the long run */
  constructor(share: number) {
    this.#share = share;
  }

  #refill(now: number): void {
    const passed = now - this.#at;
    this.#at = now;
    this.#watch = Math.min(WATCH_MS, this.#watch + passed * this.#share);
    this.#answers = Math.min(ANSWERS_MS, this.#answers + passed * ANSWERS_SHARE);
  }

  /** An answer took so long. Below zero where the lane's estimate of the time was ahead of the clock. */
  answered(now: number, took: number): void {
    this.#refill(now);
    this.#answers -= Math.min(LONGEST_ANSWER_MS, Math.max(0, took));
    if (this.#answers < 0) this.heldUntil = now - this.#answers / ANSWERS_SHARE;
  }

  /** The lane watched for a next request of the guest; what a wake-up costs is free, because sleeping costs that too. */
  watched(now: number, took: number, wake: number): void {
    this.#refill(now);
    this.#watch -= Math.max(0, took - wake);
  }

  /** Whether the lane may watch for it. */
  mayWatch(now: number): boolean {
    this.#refill(now);
    return this.#watch > 0 || this.#share >= 1;
  }
}

// SPDX-License-Identifier: MIT

/** Structured log: an object of facts and a constant text. Shape of pino's methods, so that a pino logger is one. */
export interface Logger {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

/** For libraries and tests: says nothing. */
export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/**
 * A bucket of messages that refills with time. What a guest can cause is logged through one of these, one per guest
 * (XSA-43): at most `burst` messages at once and `burst` per `interval` in the long run.
 */
export class RateLimit {
  readonly #burst: number;
  readonly #interval: number;
  readonly #now: () => number;
  #tokens: number;
  #last: number;
  /** Messages that were held back since the last one that went through. */
  suppressed = 0;

  /** @param interval milliseconds in which an empty bucket fills */
  constructor(now: () => number, burst = 10, interval = 5000) {
    this.#now = now;
    this.#burst = burst;
    this.#interval = interval;
    this.#tokens = burst;
    this.#last = now();
  }

  /** The fact `more`, when messages were held back; from now on they are counted anew. */
  takeMore(): { readonly more?: number } {
    const more = this.suppressed;
    this.suppressed = 0;
    return more === 0 ? {} : { more };
  }

  /** Whether one more message may go out now. */
  allows(): boolean {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#last) * this.#burst) / this.#interval);
    this.#last = now;
    if (this.#tokens < 1) {
      this.suppressed++;
      return false;
    }
    this.#tokens--;
    return true;
  }
}

// SPDX-License-Identifier: MIT

/** The usual {@link Pace.looks}. */
export const LOOKS = 256;
/** Milliseconds that a look at a page takes, until it is measured. */
const FIRST_GUESS = 0.0001;
/** Weight of the newest measurement in the average. */
const WEIGHT = 1 / 8;

/**
 * Time as a lane sees it, in milliseconds. Asking the clock costs as much as answering a request, so most of the time goes
 * on by what a look at the pages takes on average, and the clock is asked now and then.
 */
export class Pace {
  /** Now, as far as it is known. Lags behind while requests are answered, until the next {@link sync}. */
  time = 0;
  /** Looks at a page from one look at the clock to the next. */
  looks = LOOKS;
  readonly #now: () => number;
  #lookMs = FIRST_GUESS;
  #looks = 0;
  /** Nothing but looks since the clock was asked. */
  #idle = true;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Asks the clock. @returns {@link time} */
  sync(): number {
    this.time = this.#now();
    this.#looks = 0;
    this.#idle = true;
    return this.time;
  }

  /** A look at `pages` pages in vain. @returns whether the clock was asked */
  look(pages: number): boolean {
    this.time += pages * this.#lookMs;
    this.#looks += pages;
    if (this.#looks < this.looks) return false;
    if (this.#idle) {
      const took = (this.#now() - (this.time - this.#looks * this.#lookMs)) / this.#looks;
      // A thread that had lost its processor has measured something else.
      this.#lookMs += (Math.min(took, 2 * this.#lookMs) - this.#lookMs) * WEIGHT;
    }
    this.sync();
    return true;
  }

  /** One that found a request. @returns whether the clock was asked */
  found(pages: number): boolean {
    this.#idle = false;
    return this.look(pages);
  }
}

// SPDX-License-Identifier: MIT

/** The usual {@link Pace.looks}. */
export const LOOKS = 256;
/** Milliseconds that a look at a page takes, until it is measured. */
const FIRST_GUESS = 0.0001;
/** Milliseconds after which the clock is asked however few looks there were: answers take longer than looks. */
const OFTEN = 2;
/** Weight of the newest measurement in the average. */
const WEIGHT = 1 / 8;

/**
 * Time as a lane sees it, in milliseconds. Asking the clock costs many looks, so between answers the time goes on by what a
 * look at a page takes on average, and the clock is asked now and then.
 */
export class Pace {
  /** Now, as far as it is known. */
  time = 0;
  /** Looks at a page from one look at the clock to the next. */
  looks = LOOKS;
  readonly #now: () => number;
  #lookMs = FIRST_GUESS;
  #looks = 0;
  /** When {@link sync} was called last. */
  #synced = 0;
  /** Nothing but looks since the clock was asked. */
  #idle = true;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Asks the clock. @returns {@link time} */
  sync(): number {
    this.time = this.#now();
    this.#looks = 0;
    this.#synced = this.time;
    this.#idle = true;
    return this.time;
  }

  /**
   * Asks the clock after an answer.
   *
   * @returns milliseconds that went by beside the looks: the thread had lost its processor, or the answer took that long
   */
  answered(): number {
    const now = this.#now();
    const lost = now - this.time;
    this.time = now;
    this.#idle = false;
    return lost;
  }

  /** A look at `pages` pages. @returns whether the clock was asked */
  look(pages: number): boolean {
    this.time += pages * this.#lookMs;
    this.#looks += pages;
    if (this.#looks < this.looks && this.time - this.#synced < OFTEN) return false;
    if (this.#idle) {
      const took = (this.#now() - (this.time - this.#looks * this.#lookMs)) / this.#looks;
      // A thread that had lost its processor has measured something else.
      this.#lookMs += (Math.min(took, 2 * this.#lookMs) - this.#lookMs) * WEIGHT;
    }
    this.sync();
    return true;
  }
}

// SPDX-License-Identifier: MIT

/** The usual {@link LaneClock.looksPerSync}. */
export const USUAL_LOOKS_PER_SYNC = 256;
/** Milliseconds that a look at a page is taken to need until it is measured. */
const FIRST_LOOK_MS = 0.0001;
/** Milliseconds after which the clock is asked however few looks there were: answers take longer than looks. */
const LONGEST_ESTIMATE_MS = 2;
/** Weight of the newest measurement in the average. */
const WEIGHT = 1 / 8;

/**
 * The time as the lane knows it, in milliseconds. Asking the host's clock takes as long as many looks at a page. So
 * between two questions the time is estimated: it goes on by what a look takes on average.
 */
export class LaneClock {
  /** Now: what the host's clock said last, and what the looks since then are taken to need. */
  time = 0;
  /** Looks at a page from one question to the host's clock to the next. */
  looksPerSync = USUAL_LOOKS_PER_SYNC;
  readonly #now: () => number;
  #lookMs = FIRST_LOOK_MS;
  /** Looks since {@link sync}. */
  #looks = 0;
  #syncedAt = 0;
  /** Nothing but looks happened since {@link sync}, so their duration can be measured. */
  #onlyLooked = true;

  /** @param now the host's clock, in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Asks the host's clock. @returns {@link time} */
  sync(): number {
    this.time = this.#now();
    this.#looks = 0;
    this.#syncedAt = this.time;
    this.#onlyLooked = true;
    return this.time;
  }

  /**
   * Asks the host's clock after an answer.
   *
   * @returns by how many milliseconds the time was later than estimated: the answer took that long, or the thread had
   * lost its processor
   */
  answered(): number {
    const now = this.#now();
    const away = now - this.time;
    this.time = now;
    this.#onlyLooked = false;
    return away;
  }

  /** A look at each of `pages` pages was done. @returns whether the host's clock was asked */
  looked(pages: number): boolean {
    this.time += pages * this.#lookMs;
    this.#looks += pages;
    if (this.#looks < this.looksPerSync && this.time - this.#syncedAt < LONGEST_ESTIMATE_MS) return false;
    if (this.#onlyLooked) {
      const measured = (this.#now() - (this.time - this.#looks * this.#lookMs)) / this.#looks;
      // If the thread had lost its processor this is not what a look takes.
      this.#lookMs += (Math.min(measured, 2 * this.#lookMs) - this.#lookMs) * WEIGHT;
    }
    this.sync();
    return true;
  }
}

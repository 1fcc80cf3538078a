// SPDX-License-Identifier: MIT

/** A guest that has had this many times its usual gap between an answer and its next request may be asleep. */
const GAPS_UNTIL_SLEEP = 3;
/** Weight of the newest gap in the average. */
const WEIGHT = 1 / 8;
/** A gap counts as at most this many averages: a thread that lost its processor for once says nothing about its habits. */
const MOST_AVERAGES = 2;

/**
 * Decides whether a guest is sent an event for an answer. A guest that sleeps must be woken. One that is awake looks at
 * the page itself, and an event would only interrupt it. Nobody can see which of the two a guest is. But a guest that
 * asks again was awake, and one that has asked nothing for longer than it usually takes may sleep.
 *
 * All times in milliseconds.
 */
export class Announcement {
  /** The last answer was not announced. It has to be, unless the guest asks again. */
  isOpen = false;
  /** When the lane answered last. */
  answeredAt = Number.NEGATIVE_INFINITY;
  /** Since when the guest may be waiting for its answer. */
  #waitsSince = 0;
  /** The usual gap between an answer and the guest's next request, while nothing delays the guest; 0: not known yet. */
  #gap = 0;
  /** Whether the next gap says something about the guest: nothing has delayed it since the last answer. */
  #isTypical = false;

  /** The guest asks again: it has seen its last answer. */
  asked(): void {
    this.isOpen = false;
  }

  /**
   * A request that was found by looking is answered.
   *
   * @param now when
   * @param away how long the lane had not looked before: for so long the guest may have waited already. Below zero where
   * the lane's estimate of the time was ahead of the clock; that counts as zero
   * @param longest a gap that is longer is a pause of the guest, and not learnt from
   * @returns whether the answer has to be announced at once
   */
  seen(now: number, away: number, longest: number): boolean {
    const gap = now - this.answeredAt;
    // A pause may be hours long if another guest kept the lane awake: this guest would then be announced to hours late.
    if (this.#isTypical && gap <= longest) this.#learn(gap);
    this.#isTypical = true;
    this.answeredAt = now;
    this.#waitsSince = now - Math.max(0, away);
    this.isOpen = !this.isLate(now);
    return !this.isOpen;
  }

  /** A request that came with an event is answered. Its guest may sleep, so the caller announces that at once. */
  heard(now: number): void {
    this.#isTypical = true;
    this.answeredAt = now;
  }

  /** Whether the guest may have waited for so long by this time that it may be asleep. */
  isLate(time: number): boolean {
    return time - this.#waitsSince >= this.#gap * GAPS_UNTIL_SLEEP;
  }

  /** The guest is announced to late, or the control thread answers it: its next gap says nothing about its habits. */
  interrupt(): void {
    this.isOpen = false;
    this.#isTypical = false;
  }

  #learn(gap: number): void {
    if (this.#gap === 0) this.#gap = gap;
    else this.#gap += (Math.min(gap, MOST_AVERAGES * this.#gap) - this.#gap) * WEIGHT;
  }
}

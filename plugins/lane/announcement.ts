// SPDX-License-Identifier: MIT

/** A guest that may have waited for this many of the gaps that it leaves between an answer and its next request may sleep. */
const SILENT = 3;
/** Weight of the newest gap in the average, and how far it may be from it: a thread that lost its processor is no habit. */
const WEIGHT = 1 / 8;
const FAR = 2;

/**
 * Whether one guest has to be told of an answer. A guest that sleeps must be woken; one that is awake sees the answer
 * itself, and an event would only interrupt it. Nobody can see which of the two it is, but a guest that asks again was
 * awake, and one that has asked nothing for longer than usual may sleep. All times in milliseconds.
 */
export class Announcement {
  /** The last answer was not announced: the guest may not be asleep. */
  isOpen = false;
  /** When the lane answered last. */
  answeredAt = Number.NEGATIVE_INFINITY;
  /** Since when the guest may wait. */
  #since = 0;
  /** What the guest leaves between an answer and its next request when nothing keeps it; 0: not known yet. */
  #gap = 0;
  /** The next gap is the guest's own. */
  #isOwn = false;

  /** The guest asks again: it has seen its last answer. */
  asked(): void {
    this.isOpen = false;
  }

  /**
   * A request that was found by looking is answered.
   *
   * @param now when
   * @param lost how long the lane had not looked before: as long may the guest have waited. Negative, and nothing, where
   * the lane took the time to be later than it is
   * @param longest a gap that is longer is a pause, and no habit
   * @returns whether it has to be announced at once
   */
  seen(now: number, lost: number, longest: number): boolean {
    const gap = now - this.answeredAt;
    // Another guest may have kept the lane awake for hours meanwhile: three of such gaps would be for ever.
    if (this.#isOwn && gap <= longest) this.#learn(gap);
    this.#isOwn = true;
    this.answeredAt = now;
    this.#since = now - Math.max(0, lost);
    this.isOpen = !this.isLate(now);
    return !this.isOpen;
  }

  /** A request that an event brought is answered: its guest sleeps. */
  heard(now: number): void {
    this.#isOwn = true;
    this.answeredAt = now;
  }

  /** Whether the guest may have waited for longer than it stays awake. */
  isLate(time: number): boolean {
    return time - this.#since >= this.#gap * SILENT;
  }

  /** The guest is told late, or answered by somebody else: what follows says nothing about its habits. */
  interrupt(): void {
    this.isOpen = false;
    this.#isOwn = false;
  }

  #learn(gap: number): void {
    if (this.#gap === 0) this.#gap = gap;
    else this.#gap += (Math.min(gap, FAR * this.#gap) - this.#gap) * WEIGHT;
  }
}

// SPDX-License-Identifier: MIT

/** How long pages are looked at for a next request after an answer. Times are in milliseconds. */
export interface WatchPolicy {
  /** Longest watch; 0: never. */
  readonly longest: number;
  /**
   * Longest watch in wake-ups of this host, if that is shorter. A wake-up is the time from an event until the thread that it
   * wakes runs.
   */
  readonly wakeUps: number;
  /** A watch after several in vain. */
  readonly shortest: number;
  /** Watches in vain after which they are cut short. */
  readonly patience: number;
}

/** A policy and what it is measured in. */
export interface Watch {
  readonly policy: WatchPolicy;
  /** Milliseconds of a wake-up on this host. */
  readonly wakeMs: () => number;
}

/** Milliseconds of a wake-up on a host that was not measured. */
export const USUAL_WAKE_MS = 0.05;

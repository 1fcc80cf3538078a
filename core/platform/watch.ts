// SPDX-License-Identifier: MIT

/** How long pages are looked at for a next request after an answer. */
export interface WatchPolicy {
  /** Longest watch in milliseconds; 0: never. */
  readonly longest: number;
  /** Longest watch in wake-ups: what the host takes from an event to the thread that it wakes, as measured at start. */
  readonly wakeUps: number;
  /** A watch after several in vain, in milliseconds. */
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
export const USUAL_WAKE = 0.05;

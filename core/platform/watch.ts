// SPDX-License-Identifier: MIT

/** How long pages are looked at for a next request after an answer. Times are in milliseconds. */
export interface WatchPolicy {
  /** Longest watch; 0: never. */
  readonly longest: number;
  /** Longest watch in wake-ups of this host, if shorter. A wake-up lasts from an event until the thread it wakes runs. */
  readonly wakeUps: number;
  /** A watch after several in vain. */
  readonly shortest: number;
  /** Watches in vain after which they are cut short. */
  readonly patience: number;
  /** Part of one processor that watching for one guest may take in the long run, beyond wake-ups; missing: 0.2. */
  readonly share?: number;
}

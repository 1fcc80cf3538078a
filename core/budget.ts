// SPDX-License-Identifier: MIT

import type { Logger } from './log.ts';

/** For all that is said of one guest. It names the guest, and leaves out what is too much (XSA-43). */
export interface GuestLog extends Logger {
  /** Domain id. A log without it has no limit, and is not for what works for a guest. */
  readonly guest: number;
}

/** What one guest may cause. */
export interface GuestBudget {
  readonly log: GuestLog;
  /** The guest has changed its state, or forced as much as `count` times that. @returns whether it counts now, or `again` then */
  takesState(again: () => void, count?: number): boolean;
  /** For what looks at the guest's state: the same, less often while a change of state waits. */
  paced(look: () => void): () => void;
  /** The guest asks for a reset. Resolves when it may be done: the first ones at once. */
  takesReset(): Promise<void>;
  /** The guest is gone: says what was left out. No `again` is called any more. */
  close(): void;
}

/** Budgets of all guests; what they may cause together has limits too. */
export interface GuestBudgets {
  of(domain: number): GuestBudget;
}

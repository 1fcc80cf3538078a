// SPDX-License-Identifier: MIT

import type { GuestBudget, GuestBudgets, GuestLog } from '../core/budget.ts';
import { type Logger, RateLimit } from '../core/log.ts';
import type { Clock } from '../core/platform/index.ts';

type Level = keyof Logger;
/** Lines at once, and milliseconds in which as many more may follow. */
type Limits = Readonly<Record<Level, readonly [burst: number, interval: number]>>;

/**
 * Lines of one guest. `info` tells of its life: enough for a start and an end with some dozens of devices. The others have
 * the limit that the kernel has.
 */
const ofOneGuest: Limits = { debug: [10, 5000], info: [200, 100_000], warn: [10, 5000], error: [10, 5000] };
/** Lines of all guests together. */
const ofAllGuests: Limits = { debug: [250, 20_000], info: [1000, 20_000], warn: [250, 20_000], error: [250, 20_000] };
/** Milliseconds after which it is said how many lines were left out. */
const MORE_AFTER = 5000;
const levels = ['debug', 'info', 'warn', 'error'] as const;

type Buckets = Readonly<Record<Level, RateLimit>>;
const bucketsOf = (limits: Limits, clock: Clock): Buckets => {
  const bucket = (level: Level): RateLimit => new RateLimit(() => clock.now(), ...limits[level]);
  return { debug: bucket('debug'), info: bucket('info'), warn: bucket('warn'), error: bucket('error') };
};

/** A log that leaves out what is too much, level by level, and says how much that was. */
class LimitedLog implements GuestLog {
  readonly guest: number;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #own: Buckets;
  readonly #all: Buckets;
  /** Lines that were left out since that was said last. */
  readonly #left = { debug: 0, info: 0, warn: 0, error: 0 };
  #cancel: (() => void) | undefined;

  /** @param all shared with the logs of all other guests */
  constructor(log: Logger, clock: Clock, all: Buckets, guest: number) {
    this.guest = guest;
    this.#log = log;
    this.#clock = clock;
    this.#all = all;
    this.#own = bucketsOf(ofOneGuest, clock);
  }

  debug(facts: object, message: string): void {
    this.#say('debug', facts, message);
  }

  info(facts: object, message: string): void {
    this.#say('info', facts, message);
  }

  warn(facts: object, message: string): void {
    this.#say('warn', facts, message);
  }

  error(facts: object, message: string): void {
    this.#say('error', facts, message);
  }

  #say(level: Level, facts: object, message: string): void {
    if (this.#own[level].allows() && this.#all[level].allows()) {
      this.#log[level]({ guest: this.guest, ...facts }, message);
      return;
    }
    this.#left[level]++;
    this.#cancel ??= this.#clock.after(MORE_AFTER, () => this.#remind());
  }

  #remind(): void {
    this.#cancel = undefined;
    for (const level of levels) {
      if (this.#left[level] === 0) continue;
      if (this.#all[level].allows()) this.#tellMore(level);
      else this.#cancel ??= this.#clock.after(MORE_AFTER, () => this.#remind());
    }
  }

  #tellMore(level: Level): void {
    const more = this.#left[level];
    this.#left[level] = 0;
    if (more > 0) this.#log[level]({ guest: this.guest, more }, 'more lines left out');
  }

  /** Says what was left out, at the end of the guest. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const level of levels) this.#tellMore(level);
  }
}

/** What is free at once, before the first wait. */
const FREE = 32;
/** Milliseconds of quiet that make one more free. */
const QUIET = 1000;
/** Milliseconds of the first wait; each further one is twice as long. */
const FIRST = 2;
/** Milliseconds between two looks at a state of which a change waits. */
const LOOK_PAUSE = 50;
/** Longest waits in milliseconds. The front end gives a request for a reset up after two seconds. */
const longest = { state: 4000, reset: 1000 } as const;

/**
 * How long something that a guest forces has to wait: the first ones not at all, then longer and longer. Quiet makes up
 * for it, so in the long run there is one a second.
 */
class Backoff {
  readonly #now: () => number;
  readonly #longest: number;
  #level = 0;
  #last: number;

  constructor(now: () => number, longest: number) {
    this.#now = now;
    this.#longest = longest;
    this.#last = now();
  }

  next(): number {
    const now = this.#now();
    this.#level = Math.max(0, this.#level - (now - this.#last) / QUIET) + 1;
    this.#last = now;
    return this.#level <= FREE ? 0 : Math.min(this.#longest, FIRST * 2 ** (this.#level - FREE));
  }
}

class Budget implements GuestBudget {
  readonly log: LimitedLog;
  readonly #clock: Clock;
  readonly #states: Backoff;
  readonly #resets: Backoff;
  /** The next change of state waits, or has waited. */
  #turn: 'free' | 'waits' | 'due' = 'free';
  #cancel: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(log: LimitedLog, clock: Clock) {
    this.log = log;
    this.#clock = clock;
    this.#states = new Backoff(() => clock.now(), longest.state);
    this.#resets = new Backoff(() => clock.now(), longest.reset);
  }

  takesState(again: () => void): boolean {
    if (this.#turn === 'free') {
      const wait = this.#states.next();
      if (wait === 0) return true;
      this.#turn = 'waits';
      this.#cancel = this.#clock.after(wait, () => {
        this.#turn = 'due';
        again();
      });
    }
    if (this.#turn === 'waits') return false;
    this.#turn = 'free';
    return true;
  }

  paced(look: () => void): () => void {
    return () => {
      // Each look costs the store two reads, whoever else waits for it.
      if (this.#turn !== 'waits') look();
      else
        this.#cancelLook ??= this.#clock.after(LOOK_PAUSE, () => {
          this.#cancelLook = undefined;
          look();
        });
    };
  }

  async takesReset(): Promise<void> {
    const wait = this.#resets.next();
    if (wait > 0) await new Promise<void>((resolve) => void this.#clock.after(wait, resolve));
  }

  close(): void {
    this.#cancel?.();
    this.#cancelLook?.();
    this.log.close();
  }
}

/** Budgets over this log. */
export const guestBudgets = (log: Logger, clock: Clock): GuestBudgets => {
  const all = bucketsOf(ofAllGuests, clock);
  return { of: (domain) => new Budget(new LimitedLog(log, clock, all, domain), clock) };
};

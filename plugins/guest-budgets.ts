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

/** Counts lines that were left out, and says how many when there is room. */
class LeftOut {
  readonly #clock: Clock;
  readonly #all: Buckets;
  readonly #tell: (level: Level, more: number) => void;
  /** Since that was said last. */
  readonly #lines = { debug: 0, info: 0, warn: 0, error: 0 };
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, all: Buckets, tell: (level: Level, more: number) => void) {
    this.#clock = clock;
    this.#all = all;
    this.#tell = tell;
  }

  add(level: Level): void {
    this.#lines[level]++;
    this.#cancel ??= this.#clock.after(MORE_AFTER, () => this.#remind());
  }

  #remind(): void {
    this.#cancel = undefined;
    for (const level of levels) {
      if (this.#lines[level] === 0) continue;
      if (this.#all[level].allows()) this.#tellMore(level);
      else this.#cancel ??= this.#clock.after(MORE_AFTER, () => this.#remind());
    }
  }

  #tellMore(level: Level): void {
    const more = this.#lines[level];
    this.#lines[level] = 0;
    if (more > 0) this.#tell(level, more);
  }

  /** Says what is left to be said. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const level of levels) this.#tellMore(level);
  }
}

/** What the logs of all guests share. */
interface SharedLimits {
  readonly all: Buckets;
  readonly gone: LeftOut;
  /** Lines that were left out so far. */
  readonly heldBack: Record<Level, number>;
}

/** A log that leaves out what is too much, level by level, and says how much that was. */
class LimitedLog implements GuestLog {
  readonly guest: number;
  readonly #heldBack: Record<Level, number>;
  readonly #log: Logger;
  readonly #own: Buckets;
  readonly #all: Buckets;
  #left: LeftOut;
  /** Of all guests that are gone: nothing of one stays only because lines come after its end. */
  readonly #gone: LeftOut;

  /** @param shared with the logs of all other guests */
  constructor(log: Logger, clock: Clock, shared: SharedLimits, guest: number) {
    const { all, gone, heldBack } = shared;
    this.guest = guest;
    this.#heldBack = heldBack;
    this.#log = log;
    this.#all = all;
    this.#gone = gone;
    this.#own = bucketsOf(ofOneGuest, clock);
    this.#left = new LeftOut(clock, all, (level, more) => log[level]({ guest, more }, 'more lines left out'));
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
    if (this.#own[level].allows() && this.#all[level].allows())
      this.#log[level]({ guest: this.guest, ...facts }, message);
    else {
      this.#heldBack[level]++;
      this.#left.add(level);
    }
  }

  /** Says what was left out, at the end of the guest. */
  close(): void {
    this.#left.close();
    this.#left = this.#gone;
  }
}

/** How much is free at once, milliseconds of quiet that make one more free, and the longest wait in milliseconds. */
interface Pace {
  readonly free: number;
  readonly quiet: number;
  readonly longest: number;
}

/** Of one guest: one a second in the long run. The front end gives a request for a reset up after two seconds. */
const ofOne = {
  state: { free: 32, quiet: 1000, longest: 4000 },
  reset: { free: 32, quiet: 1000, longest: 1000 },
} as const;
/** Of all guests that are not calm together: ten a second. */
const ofMany = {
  state: { free: 64, quiet: 100, longest: 4000 },
  reset: { free: 64, quiet: 100, longest: 1000 },
} as const;
/** As much as the start and the end of a guest force; who has not forced more lately is calm. */
const CALM = 6;
/** Milliseconds of the first wait; each further one is twice as long. */
const FIRST = 2;
/** Milliseconds between two looks at a state of which a change waits. */
const LOOK_PAUSE = 50;

/**
 * How long something that guests force has to wait: the first ones not at all, then longer and longer. Quiet makes up for
 * it.
 */
class Backoff {
  readonly #now: () => number;
  readonly #pace: Pace;
  #level = 0;
  #last: number;

  constructor(now: () => number, pace: Pace) {
    this.#now = now;
    this.#pace = pace;
    this.#last = now();
  }

  get isCalm(): boolean {
    return this.#level <= CALM;
  }

  /** Counts one more, or several that are one. @returns milliseconds to wait before it is done */
  next(count: number): number {
    const { free, quiet, longest } = this.#pace;
    const now = this.#now();
    this.#level = Math.max(0, this.#level - (now - this.#last) / quiet) + count;
    this.#last = now;
    // More than that changes nothing but the time until it is calm again.
    this.#level = Math.min(this.#level, free + 16);
    return this.#level <= free ? 0 : Math.min(longest, FIRST * 2 ** (this.#level - free));
  }
}

/** The waits of one guest: its own, and while it is not calm those of all that are not. */
class Waits {
  readonly #own: Backoff;
  readonly #many: Backoff;

  constructor(own: Backoff, many: Backoff) {
    this.#own = own;
    this.#many = many;
  }

  next(count = 1): number {
    const wait = this.#own.next(count);
    return this.#own.isCalm ? wait : Math.max(wait, this.#many.next(count));
  }
}

class Budget implements GuestBudget {
  readonly log: LimitedLog;
  readonly #clock: Clock;
  readonly #states: Waits;
  readonly #resets: Waits;
  /** The next change of state waits, or has waited. */
  #turn: 'free' | 'waits' | 'due' = 'free';
  #cancel: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;

  constructor(log: LimitedLog, clock: Clock, many: Record<'state' | 'reset', Backoff>) {
    this.log = log;
    this.#clock = clock;
    const now = (): number => clock.now();
    this.#states = new Waits(new Backoff(now, ofOne.state), many.state);
    this.#resets = new Waits(new Backoff(now, ofOne.reset), many.reset);
  }

  takesState(again: () => void, count = 1): boolean {
    if (this.#turn === 'free') {
      const wait = this.#states.next(count);
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

/** Budgets over this log, and how many lines they have kept from it so far. */
export const guestBudgets = (
  log: Logger,
  clock: Clock,
): GuestBudgets & { readonly heldBack: Readonly<Record<Level, number>> } => {
  const all = bucketsOf(ofAllGuests, clock);
  const now = (): number => clock.now();
  const gone = new LeftOut(clock, all, (level, more) =>
    log[level]({ more }, 'more lines left out of guests that are gone'),
  );
  const many = { state: new Backoff(now, ofMany.state), reset: new Backoff(now, ofMany.reset) };
  const heldBack = { debug: 0, info: 0, warn: 0, error: 0 };
  const shared: SharedLimits = { all, gone, heldBack };
  return { heldBack, of: (domain) => new Budget(new LimitedLog(log, clock, shared, domain), clock, many) };
};

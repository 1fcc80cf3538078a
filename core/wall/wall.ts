// SPDX-License-Identifier: MIT

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Bdf, formatBdf, hex } from '../bdf.ts';
import { describeError, type ErrorCode, PcibackError, problem } from '../errors/index.ts';
import { type Logger, RateLimit } from '../log.ts';
import { type Clock, HostError } from '../platform/index.ts';

/** Whose code is called, and for what. */
export interface Place {
  readonly plugin: string;
  /** Hook or method, as in `hook resetDevice` or `add of slot mapper vpci`. */
  readonly what: string;
  readonly device?: Bdf | undefined;
  /** Domain id. */
  readonly guest?: number | undefined;
  /** Byte offset in config space. */
  readonly offset?: number | undefined;
  /**
   * Errors that this code may answer with: they are no fault, and are passed on. `HOST` stands for a HostError, the others
   * are of the catalogue.
   */
  readonly refusals?: readonly (ErrorCode | 'HOST')[];
}

/** What an answer has to look like; plugins may be plain JavaScript. */
export interface Shape {
  /** Ends the sentence "it has to answer …". */
  readonly expected: string;
  fits(answer: unknown): boolean;
}

/** What the code of one plugin has done so far. */
export interface PluginUsage {
  readonly faults: number;
  /** Milliseconds spent in its code, without what it waited for. Behaviours are not measured. */
  readonly ms: number;
}

interface Account {
  faults: number;
  ms: number;
  /** For the log lines about its faults. */
  limit: RateLimit;
}

/** Whose code runs now, also in the timers and promises that it left behind. */
const running = new AsyncLocalStorage<{ readonly wall: Wall; readonly place: Place }>();

/**
 * For an error that nobody caught.
 *
 * @returns `true` when a plugin began what failed; the fault is counted and logged, and nothing else need end
 */
export const takeStray = (error: unknown): boolean => {
  const begun = running.getStore();
  if (begun === undefined) return false;
  begun.wall.stray(begun.place, error);
  return true;
};

const systemClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

const placeText = ({ device, guest, offset }: Place): string =>
  [
    ...(device === undefined ? [] : [formatBdf(device)]),
    ...(guest === undefined ? [] : [`domain ${guest}`]),
    ...(offset === undefined ? [] : [`offset 0x${hex(offset, 2)}`]),
  ].join(', ');

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';

/** An answer in a few words, for messages. */
const shown = (answer: unknown): string => {
  if (typeof answer === 'string') return `"${answer.slice(0, 40)}"`;
  if (isThenable(answer)) return 'a promise';
  if (typeof answer === 'function') return 'a function';
  return typeof answer === 'object' && answer !== null ? 'an object of another shape' : String(answer);
};

/**
 * Every call from the core into a plugin's code. Whatever comes of it, a throw of anything, a rejection, no answer in
 * time, nonsense, is one error, `PLUGIN_FAULT`, which is counted under the plugin and logged at a limited rate. Whoever
 * asked has its one defined effect and goes on.
 */
export class Wall {
  readonly #log: Logger;
  readonly #accounts = new Map<string, Account>();
  #clock = systemClock;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** From now on deadlines are counted on this clock; before, on the process's own. */
  useClock(clock: Clock): void {
    this.#clock = clock;
    // Their limits would compare times of two clocks.
    for (const account of this.#accounts.values()) account.limit = new RateLimit(() => clock.now());
  }

  /** What a plugin's code has done so far. */
  usage(plugin: string): PluginUsage {
    const { faults, ms } = this.#accounts.get(plugin) ?? { faults: 0, ms: 0 };
    return { faults, ms };
  }

  /**
   * Calls synchronous code of a plugin.
   *
   * @param shape missing: any answer but a promise will do
   * @throws PcibackError `PLUGIN_FAULT`, and what the place allows as refusals
   */
  run<Answer>(place: Place, work: () => Answer, shape?: Shape): Answer {
    try {
      const answer = this.#measured(place, work);
      if (isThenable(answer)) {
        // Nobody waits for it, so nobody would hear how it ends.
        Promise.resolve(answer).catch(() => undefined);
        throw new Error('it answers with a promise, and is not waited for');
      }
      return checked(answer, shape);
    } catch (error) {
      throw this.fault(place, error);
    }
  }

  /**
   * Calls code of a plugin that may take its time.
   *
   * @param deadline milliseconds; what comes later than that is not looked at any more
   * @throws PcibackError `PLUGIN_FAULT`, and what the place allows as refusals
   */
  async wait<Answer>(
    place: Place,
    deadline: number,
    work: () => Answer | PromiseLike<Answer>,
    shape?: Shape,
  ): Promise<Answer> {
    try {
      const begun = this.#measured(place, work);
      return checked(isThenable(begun) ? await this.#inTime(begun, deadline) : begun, shape);
    } catch (error) {
      throw this.fault(place, error);
    }
  }

  /**
   * Tells code of a plugin something. Its answer does not matter, it is not waited for, and its failing stops nobody: that is
   * counted and logged.
   */
  tell(place: Place, work: () => unknown): void {
    try {
      const answer = this.#measured(place, work);
      if (isThenable(answer)) Promise.resolve(answer).catch((error: unknown) => this.fault(place, error));
    } catch (error) {
      this.fault(place, error);
    }
  }

  /** Something that a plugin began in this place failed when nobody waited for it any more. */
  stray(place: Place, error: unknown): void {
    this.fault({ ...place, what: `a timer or promise begun in ${place.what}`, refusals: [] }, error);
  }

  /**
   * Makes what a plugin threw the error `PLUGIN_FAULT`, counts and logs it. One that was made so before, and one that the
   * place allows, stays as it is.
   */
  fault(place: Place, error: unknown): PcibackError | HostError {
    const code = error instanceof PcibackError ? error.code : 'HOST';
    if (error instanceof PcibackError || error instanceof HostError) {
      if (code === 'PLUGIN_FAULT' || place.refusals?.includes(code) === true) return error;
    }
    const { plugin, what } = place;
    const fault = problem('PLUGIN_FAULT', { plugin, what, place: placeText(place), why: wordsOf(error) }, error);
    const account = this.#accountOf(plugin);
    account.faults++;
    const more = account.limit.suppressed;
    if (account.limit.allows()) {
      account.limit.suppressed = 0;
      const facts = { plugin, code: fault.code, why: fault.message, solve: fault.solve };
      this.#log.error(more === 0 ? facts : { ...facts, more }, 'a plugin failed');
    }
    return fault;
  }

  #accountOf(plugin: string): Account {
    const known = this.#accounts.get(plugin);
    if (known !== undefined) return known;
    const clock = this.#clock;
    const account: Account = { faults: 0, ms: 0, limit: new RateLimit(() => clock.now()) };
    this.#accounts.set(plugin, account);
    return account;
  }

  #measured<Answer>(place: Place, work: () => Answer): Answer {
    const began = performance.now();
    try {
      return running.run({ wall: this, place }, work);
    } finally {
      this.#accountOf(place.plugin).ms += performance.now() - began;
    }
  }

  async #inTime<Answer>(begun: PromiseLike<Answer>, deadline: number): Promise<Answer> {
    let cancel = (): void => {};
    const late = new Promise<never>((_resolve, reject) => {
      const why = new Error(`no answer within ${deadline / 1000} s`);
      cancel = this.#clock.after(deadline, () => reject(why));
    });
    try {
      return await Promise.race([begun, late]);
    } finally {
      cancel();
    }
  }
}

/** What was thrown may be of a kind that cannot even be made a text. */
const wordsOf = (error: unknown): string => {
  try {
    return describeError(error);
  } catch {
    return 'it threw something that is no text';
  }
};

const checked = <Answer>(answer: Answer, shape: Shape | undefined): Answer => {
  if (shape === undefined || shape.fits(answer)) return answer;
  throw new Error(`it answers ${shown(answer)}, and has to answer ${shape.expected}`);
};

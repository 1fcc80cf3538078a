// SPDX-License-Identifier: MIT

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Bdf, formatBdf, hex } from '../bdf.ts';
import { describeError, PcibackError, problem } from '../errors/index.ts';
import { type Logger, RateLimit } from '../log.ts';
import { type Clock, HostError, whileRunning } from '../platform/index.ts';

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
   * are of the catalogue; `all`: every one of these.
   */
  readonly refusals?: readonly string[] | 'all';
}

/** What an answer has to look like; plugins may be plain JavaScript. */
export interface Shape {
  /** Ends the sentence "it has to answer …". */
  readonly expected: string;
  fits(answer: unknown): boolean;
}

/** A thing with these methods, as plugins make them. */
export const withMethods = (what: string, methods: readonly string[]): Shape => ({
  expected: `${what} with ${methods.join(', ')}`,
  fits: (answer) => methods.every((name) => typeof Object(answer)[name] === 'function'),
});
export const integerShape: Shape = { expected: 'an integer', fits: Number.isInteger };
export const booleanShape: Shape = { expected: 'true or false', fits: (answer) => typeof answer === 'boolean' };

/** What the code of one plugin has done so far. */
export interface PluginUsage {
  readonly faults: number;
  /** Milliseconds spent in its code, without what it waited for. Reads and writes of behaviours are not measured. */
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
  begun?.wall.stray(begun.place, error);
  return begun !== undefined;
};

/** The process's own. */
export const systemClock: Clock = {
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
  if (typeof answer === 'string') return JSON.stringify(answer.slice(0, 40));
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
  readonly #place: (error: unknown) => string;
  readonly #accounts = new Map<string, Account>();
  #clock = systemClock;

  constructor(log: Logger, place: (error: unknown) => string = () => '') {
    this.#log = log;
    this.#place = place;
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
      return checked(checked(this.#measured(place, work), notWaitedFor), shape);
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
      return checked(isThenable(begun) ? await within(this.#clock, deadline, begun) : begun, shape);
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

  /**
   * For calls that run too often to be measured: what code of a plugin answered is nothing that it may answer.
   *
   * @param expected ends the sentence "it has to answer …"
   * @throws PcibackError `PLUGIN_FAULT`
   */
  refuse(place: Place, answer: unknown, expected: string): never {
    throw this.fault(place, wrongAnswer(answer, expected));
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
      const { refusals = [] } = place;
      if (code === 'PLUGIN_FAULT' || refusals === 'all' || refusals.includes(code)) return error;
    }
    const { plugin, what } = place;
    const why = `${wordsOf(error)}${this.#place(error)}`;
    const fault = problem('PLUGIN_FAULT', { plugin, what, place: placeText(place), why }, error);
    const account = this.#accountOf(plugin);
    account.faults++;
    if (account.limit.allows()) {
      const facts = { plugin, code: fault.code, why: fault.message, solve: fault.solve };
      this.#log.error({ ...facts, ...account.limit.takeMore() }, 'a plugin failed');
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
}

/** What was thrown may be of a kind that cannot even be made a text. */
const wordsOf = (error: unknown): string => {
  try {
    return describeError(error);
  } catch {
    return 'it threw something that is no text';
  }
};

/** An answer that is none. */
const wrongAnswer = (answer: unknown, expected: string): Error => {
  // Nobody waits for it: how it ends changes nothing, and must not end the process.
  if (isThenable(answer)) Promise.resolve(answer).catch(() => undefined);
  return new Error(`it answers ${shown(answer)}, and has to answer ${expected}`);
};

const checked = <Answer>(answer: Answer, shape: Shape | undefined): Answer => {
  if (shape === undefined || shape.fits(answer)) return answer;
  throw wrongAnswer(answer, shape.expected);
};

const notWaitedFor: Shape = { expected: 'at once', fits: (answer) => !isThenable(answer) };

/**
 * What `work` comes to.
 *
 * @param deadline milliseconds; not finite: it may take as long as it likes
 * @throws Error when it takes longer, and what it rejects with
 */
export const within = async <Answer>(clock: Clock, deadline: number, work: PromiseLike<Answer>): Promise<Answer> => {
  if (!Number.isFinite(deadline)) return work;
  let cancel = (): void => {};
  const late = new Promise<never>((_resolve, reject) => {
    cancel = whileRunning(clock, deadline, () => reject(new Error(`no answer within ${deadline / 1000} s`)));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
};

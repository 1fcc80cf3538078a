// SPDX-License-Identifier: MIT

import { problem } from '../errors.ts';
import { canHear } from '../hearing.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { openNative } from '../open-native.ts';
import type { HandOverProgress, SupervisorOffers } from '../supervisor-offers.ts';
import { Messages } from './messages.ts';
import { type Notifier, openNotifier } from './notify-socket.ts';

/** What a service manager gives to a program that it starts; see sd_notify(3) and sd_watchdog_enabled(3). */
export interface SupervisorEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  /** Microseconds after which a program that has not said `WATCHDOG=1` is ended. */
  readonly WATCHDOG_USEC?: string | undefined;
  /** The process that has to say it. */
  readonly WATCHDOG_PID?: string | undefined;
}

/** Signs of life within the time in which one has to come. */
const SIGNS_IN_TIME = 3;
/** Milliseconds for a supervisor that does not read, until it has to find out by itself that the process ends. */
const LAST_WORDS_MS = 1000;

/** Milliseconds between two signs of life; `undefined`: nobody waits for any. */
export const intervalOf = ({ WATCHDOG_USEC, WATCHDOG_PID }: SupervisorEnvironment, pid: number): number | undefined => {
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid)) return undefined;
  const microseconds = Number(WATCHDOG_USEC);
  return Number.isFinite(microseconds) && microseconds > 0 ? microseconds / 1000 / SIGNS_IN_TIME : undefined;
};

/** Says signs of life as long as the control loop turns and guests can be heard. */
class Supervised {
  readonly #context: PartContext;
  readonly #messages: Messages;
  readonly #interval: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #status = '';
  /** It was logged that the supervisor cannot be told; that the thread does not run. Until it is otherwise again. */
  #untold = false;
  #unheard = false;
  #signs = 0;
  #withheld = 0;
  #stopped = false;

  constructor(context: PartContext, notifier: Notifier, interval: number | undefined) {
    this.#context = context;
    this.#messages = new Messages(notifier, (why, said) => {
      if (!this.#untold) context.log.warn({ why, said }, 'the supervisor cannot be told');
      this.#untold = true;
    });
    this.#interval = interval;
  }

  start(): void {
    // Said by each process that serves: after a hand-over it is another one than the supervisor started.
    const alive = this.#interval === undefined ? '' : 'WATCHDOG=1';
    this.#messages.surely(...said('READY=1', `MAINPID=${process.pid}`, this.#nextStatus(), alive));
    this.#next();
  }

  #next(): void {
    if (this.#interval === undefined || this.#stopped) return;
    this.#timer = setTimeout(() => void this.#sign(this.#interval as number), this.#interval);
  }

  /** A timer alone would go on where no file and no socket is looked at any more; what it starts here goes once around. */
  async #sign(interval: number): Promise<void> {
    const { engine, log } = this.#context;
    const heard = await canHear(engine.platform, interval);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#stopped) return;
    if (heard) {
      this.#signs++;
      this.#unheard = false;
      if (this.#messages.now(...said('WATCHDOG=1', this.#nextStatus()))) this.#untold = false;
      // The status is said with the next one.
      else this.#status = '';
    } else {
      this.#withheld++;
      this.#messages.now('STATUS=the thread that answers guests does not run');
      this.#status = '';
      const { code, message, solve } = problem('GUESTS_UNHEARD', { ms: interval });
      if (!this.#unheard) log.error({ code, why: message, solve }, 'no sign of life for the supervisor');
      this.#unheard = true;
    }
    this.#next();
  }

  /** What is served now, where it is something else than before. */
  #nextStatus(): string {
    const { engine } = this.#context;
    const { assigned } = engine.ledger();
    const status = `STATUS=${engine.guests().length} guests, ${assigned} of ${engine.stub.devices.length} devices given to them`;
    if (status === this.#status) return '';
    this.#status = status;
    return status;
  }

  async reloading<Result>(work: () => Promise<Result>): Promise<Result> {
    // Microseconds of the clock that the supervisor counts with too.
    this.#messages.surely('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      return await work();
    } finally {
      this.#messages.surely(...said('READY=1', this.#nextStatus()));
    }
  }

  get counters(): Readonly<Record<string, number>> {
    return { 'signs of life': this.#signs, withheld: this.#withheld };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const { state } = (this.#context.part('hand-over') as HandOverProgress | undefined) ?? { state: { state: 'none' } };
    if (state.state === 'leaving') {
      // A supervisor that heard of an end would end the other process with this one. Guests wait meanwhile.
      this.#messages.now(`STATUS=process ${state.pid} goes on with the guests`);
      return this.#messages.close(0);
    }
    this.#messages.surely('STOPPING=1', 'STATUS=guests are asked to let go');
    await this.#messages.close(LAST_WORDS_MS);
  }
}

const said = (...assignments: readonly string[]): readonly string[] => assignments.filter((one) => one !== '');

/**
 * Tells the supervisor that guests are served, and goes on to tell that it is so.
 *
 * @throws PcibackError `NATIVE_UNAVAILABLE`, `NATIVE_LIBRARY_MISSING`; HostError when nobody listens at the socket
 */
export const startNotifying = async (
  context: PartContext,
  name: string,
  environment: SupervisorEnvironment,
): Promise<RunningPart> => {
  const notifier = openNotifier(await openNative(context.engine.plugins.registries), name);
  const interval = intervalOf(environment, process.pid);
  const supervised = new Supervised(context, notifier, interval);
  supervised.start();
  const offers: SupervisorOffers = { reloading: (work) => supervised.reloading(work) };
  return {
    health: () =>
      interval === undefined
        ? `tells ${name}`
        : `tells ${name}, a sign of life every ${(interval / 1000).toFixed(1)} s`,
    counters: () => supervised.counters,
    offers,
    stop: () => supervised.stop(),
  };
};

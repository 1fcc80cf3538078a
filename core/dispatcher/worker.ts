// SPDX-License-Identifier: MIT

import type { Clock, EventChannel } from '../platform/index.ts';
import type { Ring } from '../ring/ring.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type AerOutcome, type AerRequest, ErrorRequests } from './error-requests.ts';

/** Requests of one guest that are answered in a row before the others get a turn. */
const BURST = 64;
/** Empty events in a row that are not yet answered with a delay (the kernel's default spurious threshold). */
const PATIENCE = 2;
/** Milliseconds of one guest's run, after which the others get a turn. */
const TURN = 5;
/** Milliseconds that the page is watched for the next request after an answer, and after several watches in vain. */
const WATCH = 1;
const SHORT_WATCH = 0.05;
/** Watches in vain after which watching is cut short, until one sees a request again. */
const WATCHES_IN_VAIN = 3;
/** Longest delay before the channel of a guest that sends empty events is unmasked, in milliseconds. */
const LONGEST_DELAY = 1000;

/**
 * Serves one guest's ring: at most one run at a time, requests strictly in order, one unmask for each delivery, and
 * only after the work is done (late EOI, XSA-332). Events with nothing to do are unmasked with a growing delay.
 */
export class Worker {
  readonly #ring: Ring;
  readonly #dispatcher: Dispatcher;
  readonly #clock: Clock;
  readonly #watches: boolean;
  readonly #errors: ErrorRequests;
  #inVain = 0;
  #channel: EventChannel | undefined;
  /** A delivery whose unmask is still to come. */
  #owed = false;
  #emptyEvents = 0;
  #closed = false;
  /** The next step of a run comes later: a device has to settle, or the others have their turn. */
  #waiting: 'device' | 'turn' | undefined;
  #cancelUnmask: (() => void) | undefined;
  #idle: (() => void)[] = [];
  /** Answers that were dropped because the front end had given up (D-P1). */
  lateAnswers = 0;

  /**
   * @param guests `beside`: the guest goes on while this thread runs, so watching its page after an answer can see its
   * next request without a wake-up; `in turn`: it cannot
   */
  constructor(ring: Ring, dispatcher: Dispatcher, clock: Clock, guests: 'beside' | 'in turn') {
    this.#ring = ring;
    this.#dispatcher = dispatcher;
    this.#clock = clock;
    this.#watches = guests === 'beside';
    const sent = (): void => {
      this.#channel?.notify();
      // The answer must be able to come in while a request is being worked on.
      this.#unmask();
    };
    this.#errors = new ErrorRequests(ring, clock, sent, (state) => this.#channel?.awaitsAnswer?.(state));
  }

  /**
   * Starts serving.
   *
   * @param first whether the page is looked at now, for a request from before the channel was bound; not when somebody
   * else looks at it and hands over
   */
  serve(channel: EventChannel, first: 'look' | 'wait' = 'look'): void {
    this.#channel = channel;
    if (first === 'look' && this.#ring.pending) this.#run();
  }

  /** Requests of the guest were answered elsewhere: its events were not for nothing. */
  answeredElsewhere(): void {
    this.#emptyEvents = 0;
  }

  /** An event was delivered; the channel is masked now. */
  readonly event = (): void => {
    this.#owed = true;
    const answered = this.#errors.look();
    if (answered) this.#emptyEvents = 0;
    // A run that is under way takes the request and unmasks when it ends.
    if (this.#closed || this.#waiting !== undefined) return;
    if (this.#ring.pending) {
      this.#emptyEvents = 0;
      this.#run();
      return;
    }
    if (answered) {
      this.#unmask();
      return;
    }
    this.#emptyEvents++;
    const excess = this.#emptyEvents - PATIENCE;
    if (excess <= 0) this.#unmask();
    else {
      const delay = Math.min(LONGEST_DELAY, 2 ** Math.min(excess - 1, 10));
      this.#cancelUnmask?.();
      this.#cancelUnmask = this.#clock.after(delay, () => {
        this.#cancelUnmask = undefined;
        // The guest may have put a request or an answer into the page while its channel was masked.
        this.#errors.look();
        if (this.#ring.pending) this.#run();
        else this.#unmask();
      });
    }
  };

  #run(): void {
    const turnEnds = this.#watches ? this.#clock.now() + TURN : Number.POSITIVE_INFINITY;
    for (let served = 0; !this.#closed; served++) {
      if (!this.#ring.pending && !(served > 0 && this.#watch())) break;
      if (served === BURST || (this.#watches && this.#clock.now() > turnEnds)) {
        this.#waiting = 'turn';
        setImmediate(() => {
          this.#goOn();
          // The channel of a guest that never stops asking stays masked, so its answer's event does not come.
          this.#errors.look();
          this.#run();
        });
        return;
      }
      if (!this.#dispatcher.dispatch(this.#ring.snapshot())) {
        this.#waiting = 'device';
        return;
      }
      this.#answer();
    }
    this.#unmask();
  }

  /** Looks at the page for a short while: a burst of requests then costs one wake-up, not one each. */
  #watch(): boolean {
    if (!this.#watches) return false;
    const until = this.#clock.now() + (this.#inVain < WATCHES_IN_VAIN ? WATCH : SHORT_WATCH);
    do {
      for (let look = 0; look < 64; look++) {
        if (this.#ring.pending) {
          this.#inVain = 0;
          return true;
        }
      }
    } while (this.#clock.now() < until);
    this.#inVain++;
    return false;
  }

  #unmask(): void {
    if (!this.#owed || this.#closed) return;
    this.#owed = false;
    // Of two that are to end the same delivery the first does; another delivery has a delay of its own.
    this.#cancelUnmask?.();
    this.#cancelUnmask = undefined;
    this.#channel?.unmask();
  }

  #answer(): void {
    if (!this.#ring.answer()) this.lateAnswers++;
    this.#channel?.notify();
  }

  #goOn(): void {
    this.#waiting = undefined;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The device of a deferred request has settled. */
  settled(status: number): void {
    if (this.#waiting !== 'device') return;
    this.#dispatcher.settle(this.#ring.request, status);
    if (!this.#closed) this.#answer();
    this.#goOn();
    this.#run();
  }

  /**
   * Asks the guest about an error of one of its devices, whether or not one of its requests is being worked on. One
   * question at a time, later ones queue.
   *
   * @param patience milliseconds that the guest gets; {@link close} ends the wait
   */
  ask(request: AerRequest, patience: number): Promise<AerOutcome> {
    return this.#errors.ask(request, patience);
  }

  /** Resolves when no request is being worked on; at once if none is. */
  async drained(): Promise<void> {
    if (this.#waiting === undefined) return;
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
    });
  }

  /** Takes no further request, and resolves when the running one has ended; then the page may be unmapped. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelUnmask?.();
    this.#errors.close();
    await this.drained();
  }
}

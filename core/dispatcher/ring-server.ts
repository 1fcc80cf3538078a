// SPDX-License-Identifier: MIT

import { type Clock, type EventChannel, whileRunning } from '../platform/index.ts';
import { Status } from '../ring/layout.ts';
import type { Request } from '../ring/request.ts';
import type { Ring } from '../ring/ring.ts';
import type { Dispatcher } from './dispatcher.ts';

/** Requests of one guest that are answered in a row before the others get a turn. */
const BURST = 64;
/** Empty events in a row that are not yet answered with a delay (the kernel's default spurious threshold). */
const PATIENCE = 2;
/** Longest delay before the channel of a guest that sends empty events is unmasked, in milliseconds. */
const LONGEST_DELAY = 1000;

/** How long a request may wait for its device to settle. */
export interface Patience {
  readonly milliseconds: number;
  /** Asked after each such time. `busy`: the wait goes on. `over`: nothing will come, the request fails. */
  overdue(request: Request): 'busy' | 'over';
}

/** Puts questions of the host into a guest's page, beside the guest's requests. */
export interface Asker {
  /** Looks for an answer; a next question may go out with it. @returns whether it was there */
  look(): boolean;
  /** Ends every wait. The page may be unmapped afterwards. */
  close(): void;
}

/**
 * Serves one guest's ring: at most one run at a time, requests strictly in order, one unmask for each delivery, and
 * only after the work is done (late EOI, XSA-332). Events with nothing to do are unmasked with a growing delay.
 */
export class RingServer {
  readonly ring: Ring;
  readonly clock: Clock;
  readonly #dispatcher: Dispatcher;
  #asker: Asker | undefined;
  #channel: EventChannel | undefined;
  /** A delivery whose unmask is still to come. */
  #owed = false;
  #emptyEvents = 0;
  /** The next empty event does not count. */
  #excused = false;
  #closed = false;
  #shared = false;
  /** The next step of a run comes later: a device has to settle, or the others have their turn. */
  #waiting: 'device' | 'turn' | undefined;
  /** An answer to a question is looked for; what follows gives the page back. */
  #looking = false;
  #cancelUnmask: (() => void) | undefined;
  #patience: Patience | undefined;
  #cancelWait: (() => void) | undefined;
  #idle: (() => void)[] = [];
  /** Answers that were dropped because the front end had given up (D-P1). */
  lateAnswers = 0;

  constructor(ring: Ring, dispatcher: Dispatcher, clock: Clock) {
    this.ring = ring;
    this.#dispatcher = dispatcher;
    this.clock = clock;
  }

  /**
   * Starts serving.
   *
   * @param shared an answering thread answers too. The page belongs to this side only from an event to its unmask. So it is
   * not looked at now for requests from before the channel was bound, and it is given back after each request
   * @param patience missing: a request waits for its device for ever
   */
  serve(channel: EventChannel, shared: 'shared' | 'alone' = 'alone', patience?: Patience): void {
    this.#patience = patience;
    this.#channel = channel;
    this.#shared = shared === 'shared';
    if (!this.#shared && this.ring.pending) this.#run();
  }

  /** The answering thread has answered requests of the guest: its events were not empty. */
  answeredElsewhere(): void {
    this.#emptyEvents = 0;
  }

  /** An event was delivered; the channel is masked now. */
  readonly event = (): void => {
    this.#owed = true;
    const answered = this.#lookForAnswer();
    if (answered) this.#emptyEvents = 0;
    // A run that is under way takes the request and unmasks when it ends.
    if (this.#closed || this.#waiting !== undefined) return;
    if (this.ring.pending) {
      this.#run();
      return;
    }
    if (answered) {
      this.#unmask();
      return;
    }
    // A request that was found by looking sent an event too, which comes when there is nothing left to do.
    if (this.#excused) {
      this.#excused = false;
      this.#unmask();
      return;
    }
    this.#emptyEvents++;
    const excess = this.#emptyEvents - PATIENCE;
    if (excess <= 0) this.#unmask();
    else {
      const delay = Math.min(LONGEST_DELAY, 2 ** Math.min(excess - 1, 10));
      this.#cancelUnmask?.();
      this.#cancelUnmask = this.clock.after(delay, () => {
        // The guest may have put a request or an answer into the page while its channel was masked.
        this.#lookForAnswer();
        if (this.ring.pending) this.#run();
        else this.#unmask();
      });
    }
  };

  /** Whether the guest's answer to a question is there. A next question may go out with it. */
  #lookForAnswer(): boolean {
    this.#looking = true;
    try {
      return this.#asker?.look() ?? false;
    } finally {
      this.#looking = false;
    }
  }

  #run(): void {
    for (let served = 0; !this.#closed && this.ring.pending; served++) {
      // An answering thread answers most requests, and faster than this one: it gets the page back after each request.
      if (served > 0 && this.#shared) break;
      if (served === BURST) {
        this.#waiting = 'turn';
        setImmediate(() => {
          this.#goOn();
          // The channel of a guest that never stops asking stays masked, so its answer's event does not come.
          this.#lookForAnswer();
          this.#run();
        });
        return;
      }
      this.#emptyEvents = 0;
      this.#excused = served > 0;
      const request = this.ring.snapshot();
      if (!this.#dispatcher.dispatch(request)) {
        this.#waiting = 'device';
        this.#limitWait();
        return;
      }
      this.#answer();
    }
    this.#unmask();
  }

  #unmask(): void {
    if (!this.#owed || this.#closed) return;
    this.#owed = false;
    // A delayed unmask of the same delivery has nothing left to do.
    this.#cancelUnmask?.();
    this.#cancelUnmask = undefined;
    this.#channel?.unmask();
  }

  #answer(): void {
    if (!this.ring.answer()) this.lateAnswers++;
    this.#dispatcher.answered();
    this.#channel?.notify();
  }

  #limitWait(): void {
    const patience = this.#patience;
    if (patience === undefined) return;
    this.#cancelWait = whileRunning(this.clock, patience.milliseconds, () => {
      if (patience.overdue(this.ring.request) === 'busy') this.#limitWait();
      else this.settled(Status.opFailed);
    });
  }

  #goOn(): void {
    this.#waiting = undefined;
    this.#cancelWait?.();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The device of a deferred request has settled. */
  settled(status: number): void {
    if (this.#waiting !== 'device') return;
    this.#dispatcher.settle(this.ring.request, status);
    if (!this.#closed) {
      this.#answer();
      // With a shared page the channel stayed masked, so the answer's event comes later, when there is nothing left to do.
      if (this.#shared && this.#lookForAnswer()) this.#excused = true;
    }
    this.#goOn();
    this.#run();
  }

  /** From now on this one asks: it looks for answers at each event, and is closed with the server; at once if that is. */
  attach(asker: Asker): void {
    this.#asker = asker;
    if (this.#closed) asker.close();
  }

  /** What an {@link Asker} says before its question is in the page, and when it waits for nothing any more. */
  awaits(state: 'yes' | 'no'): void {
    this.#channel?.awaitsAnswer?.(state);
  }

  /** A question lies in the page: wakes the guest and lets its answer come in, also while one of its requests is at work. */
  asked(): void {
    this.#channel?.notify();
    // If an answering thread shares the page, unmasking gives the page away, and with it the request at work. Then the
    // answer is looked for when the request is done.
    if (!this.#shared || (this.#waiting === undefined && !this.#looking)) this.#unmask();
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
    this.#asker?.close();
    await this.drained();
  }
}

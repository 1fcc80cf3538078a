// SPDX-License-Identifier: MIT

import { type MessagePort, Worker } from 'node:worker_threads';
import type { Answerer, AnswererReport, EventChannel } from '../../core/platform/index.ts';
import type { PageReference } from '../../core/platform/memory.ts';
import type { WatchPolicy } from '../../core/platform/watch.ts';
import { Seat } from './seat.ts';
import { LaneCount, type LaneMessage, LaneWord, LEFT_WORK, sharedNow } from './shared.ts';

/** How often a wake-up is measured at start, and milliseconds between, in which the thread falls asleep again. */
const MEASURES = 8;
const PAUSE = 25;

/** What the thread of a lane is started with; `own` is what its platform adds. */
export interface LaneStart<Own = unknown> {
  readonly words: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly policy: WatchPolicy;
  readonly inbox: MessagePort;
  readonly own: Own;
}

export interface LaneTerms<Own> {
  /** The module that the thread runs: it makes a bell and calls `runLane`. */
  readonly module: URL;
  readonly own: Own;
  readonly policy: WatchPolicy;
  /** Ends the lane's sleep. */
  readonly ring: () => void;
  /** An event for the listener of this port: the control thread has the seat, or there is none. */
  readonly deliver: (port: number) => void;
  /** Events were lost; nobody knows whose. */
  readonly lost: () => void;
  /** The thread has ended although nobody told it to. */
  readonly failed: (error: Error) => void;
}

/**
 * The thread that answers what needs no code, seen from the control thread. It hears all events of its platform; those
 * it has no answer to come back through {@link LaneTerms.deliver}.
 */
export class Lane<Own = unknown> implements Answerer {
  /** Resolves when the thread hears events; those that came before are kept by the platform. */
  readonly ready: Promise<void>;
  readonly #terms: LaneTerms<Own>;
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * LaneWord.words));
  readonly #counts = new Float64Array(new SharedArrayBuffer(8 * LaneCount.counts));
  readonly #seats = new Map<number, Seat>();
  readonly #outbox: MessagePort;
  readonly #thread: Worker;
  readonly #ended: Promise<void>;
  #stopping = false;

  constructor(terms: LaneTerms<Own>) {
    this.#terms = terms;
    const { port1, port2 } = new MessageChannel();
    this.#outbox = port1;
    const start: LaneStart<Own> = {
      words: this.#words.buffer as SharedArrayBuffer,
      counts: this.#counts.buffer as SharedArrayBuffer,
      policy: terms.policy,
      inbox: port2,
      own: terms.own,
    };
    this.#thread = new Worker(terms.module, { workerData: start, transferList: [port2], name: 'lane' });
    this.ready = new Promise((resolve) => {
      this.#thread.on('message', (message: number | 'ready') => {
        if (message === 'ready') {
          resolve();
          this.#measure(MEASURES);
        } else this.#told(message);
      });
    });
    this.#thread.on('error', (error) => {
      if (!this.#stopping) terms.failed(error);
    });
    this.#ended = new Promise((resolve) => {
      this.#thread.on('exit', () => resolve());
    });
  }

  #told(port: number): void {
    if (port > LEFT_WORK) {
      this.#seats.get(port - LEFT_WORK)?.catchUp();
      return;
    }
    const seat = this.#seats.get(Math.abs(port));
    if (port === 0) this.#terms.lost();
    else if (port > 0) {
      // A seat that was left meanwhile has no worker any more.
      if (seat !== undefined) this.#terms.deliver(port);
    } else if (seat === undefined) this.#terms.deliver(-port);
    else seat.missed();
  }

  /** Has the thread measure what a wake-up costs here: rings it a few times, each time out of its sleep. */
  #measure(times: number): void {
    if (this.#stopping || times === 0) return;
    this.#counts[LaneCount.rung] = sharedNow();
    this.ring();
    setTimeout(() => this.#measure(times - 1), PAUSE).unref();
  }

  /**
   * From now on the lane looks after this channel and this page. It answers nothing before it is shown a view.
   *
   * @param leftWork does what writes that the lane answered have left; called while the lane keeps off
   */
  seat(channel: EventChannel, page: PageReference, leftWork: () => void): Seat {
    const seat = new Seat({
      channel,
      lane: this.#words,
      send: (message) => this.#send(message),
      ring: () => this.ring(),
      leftWork,
      left: () => this.#seats.delete(channel.port),
    });
    this.#seats.set(channel.port, seat);
    this.#send({ what: 'seat', port: channel.port, page, words: seat.memory });
    return seat;
  }

  #send(message: LaneMessage): void {
    this.#outbox.postMessage(message);
    Atomics.add(this.#words, LaneWord.inbox, 1);
  }

  /** Ends the lane's sleep. */
  ring(): void {
    if (!this.#stopping) this.#terms.ring();
  }

  report(): AnswererReport {
    const count = (index: number): number => this.#counts[index] as number;
    return {
      guests: this.#seats.size,
      urgent: Atomics.load(this.#words, LaneWord.urgent) === 1,
      watchedMs: count(LaneCount.watched),
      wakeMs: count(LaneCount.wakeMs),
      found: count(LaneCount.found),
      inVain: count(LaneCount.inVain),
      wakes: count(LaneCount.wakes),
    };
  }

  /** Tells the thread to end, without waiting: for the end of the process, which would wait for it for ever. */
  halt(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    Atomics.store(this.#words, LaneWord.stop, 1);
    this.#terms.ring();
  }

  /** Ends the thread. Every seat must have been left. */
  async close(): Promise<void> {
    this.halt();
    await this.#ended;
    this.#outbox.close();
  }
}

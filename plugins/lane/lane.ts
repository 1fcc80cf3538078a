// SPDX-License-Identifier: MIT

import { extname } from 'node:path';
import { type MessagePort, Worker } from 'node:worker_threads';
import type { EventChannel, PageReference, TakeRefused } from '../../core/platform/index.ts';
import { Histogram } from '../histogram.ts';
import type { AnswererReport, AnswererTerms, StartedAnswerer, WatchPolicy } from '../kinds/answerer.ts';
import { Seat } from './seat.ts';
import { LaneCount, type LaneMessage, LaneWord, LEFT_WORK, sharedNow } from './thread-protocol.ts';

/** How often a wake-up is measured at start. */
const MEASUREMENTS = 8;
/** Milliseconds between two measurements, in which the thread falls asleep again. */
const MEASUREMENT_PAUSE = 25;

/** Milliseconds between two looks at whether the thread goes on. */
const CHECK_PAUSE = 300;
/** Milliseconds between two looks at its guests' pages while it does not. */
const STAND_IN_PAUSE = 5;
/** What no beat is: there was no look before. */
const FIRST = -1;

/** What the lane's thread is started with. */
export interface LaneStart {
  /** `LaneWord`s. */
  readonly words: SharedArrayBuffer;
  /** `LaneCount`s. */
  readonly counts: SharedArrayBuffer;
  readonly policy: WatchPolicy;
  readonly inbox: MessagePort;
  /** Address of the platform's `BellModule`, and what its `makeBell` is called with. */
  readonly bell: string;
  readonly own: unknown;
}

/** Sources and the compiled project differ in the ending of their files. */
const threadModule = new URL(`./thread${extname(import.meta.url)}`, import.meta.url);

/**
 * The lane, the thread that answers what needs no code of a plugin, seen from the control thread. The thread hears all
 * events of its platform; those that it has no answer to come back through `AnswererTerms.deliver`.
 */
export class Lane implements StartedAnswerer {
  readonly ready: Promise<void>;
  readonly #terms: AnswererTerms;
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * LaneWord.words));
  readonly #counts = new Float64Array(new SharedArrayBuffer(8 * LaneCount.counts));
  readonly #answers = new Histogram(this.#counts.subarray(LaneCount.answers));
  readonly #seats = new Map<number, Seat>();
  readonly #outbox: MessagePort;
  readonly #thread: Worker;
  readonly #ended: Promise<void>;
  #stopping = false;
  #isReady = false;
  /** Whether a look at whether the thread goes on is to come. */
  #checks = false;

  /** @param module what the thread runs, `thread.ts` if not given */
  constructor(terms: AnswererTerms, module = threadModule) {
    this.#terms = terms;
    const { port1, port2 } = new MessageChannel();
    this.#outbox = port1;
    const start: LaneStart = {
      words: this.#words.buffer as SharedArrayBuffer,
      counts: this.#counts.buffer as SharedArrayBuffer,
      policy: terms.policy,
      inbox: port2,
      bell: terms.bell.href,
      own: terms.own,
    };
    this.#thread = new Worker(module, { workerData: start, transferList: [port2], name: 'lane' });
    this.ready = new Promise((resolve) => {
      this.#thread.on('message', (message: number | 'ready') => {
        if (message === 'ready') {
          resolve();
          this.#isReady = true;
          this.#measure(MEASUREMENTS);
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

  /** @param port what the thread says, see `LoopTerms.tell` */
  #told(port: number): void {
    if (port > LEFT_WORK) {
      this.#seats.get(port - LEFT_WORK)?.catchUp();
      return;
    }
    const seat = this.#seats.get(Math.abs(port));
    if (port === 0) this.#terms.lost();
    else if (port > 0) {
      // Without a seat nobody serves this guest any more.
      if (seat !== undefined) this.#terms.deliver(port);
    } else if (seat === undefined) this.#terms.deliver(-port);
    else seat.missed();
  }

  /** Has the thread measure what a wake-up costs here: rings it a few times, each time out of its sleep. */
  #measure(times: number): void {
    if (this.#stopping || times === 0) return;
    this.#counts[LaneCount.rung] = sharedNow();
    this.#ring();
    setTimeout(() => this.#measure(times - 1), MEASUREMENT_PAUSE).unref();
  }

  /**
   * Whether the thread cannot answer now: it is not ready, which matters to guests that are taken over, or the host holds it
   * up in the middle of its work: a read of config space waits in the kernel while somebody resets the bus. Until it goes on
   * its guests are served by the control thread.
   */
  #check(before: number): void {
    this.#checks = !this.#stopping && this.#seats.size > 0;
    if (!this.#checks) return;
    const beat = Atomics.load(this.#words, LaneWord.beat);
    const isStuck = beat === before && Atomics.load(this.#words, LaneWord.awake) === 1;
    const isHeldUp = before !== FIRST && (!this.#isReady || isStuck);
    if (isHeldUp) for (const [port, seat] of this.#seats) seat.standIn(() => this.#terms.deliver(port));
    setTimeout(() => this.#check(beat), isHeldUp || !this.#isReady ? STAND_IN_PAUSE : CHECK_PAUSE).unref();
  }

  seat(channel: EventChannel, page: PageReference, leftWork: (refused: TakeRefused) => void): Seat {
    const seat = new Seat({
      channel,
      lane: this.#words,
      send: (message) => this.#send(message),
      ring: () => this.#ring(),
      leftWork,
      left: () => this.#seats.delete(channel.port),
    });
    this.#seats.set(channel.port, seat);
    this.#send({ what: 'seat', port: channel.port, page, words: seat.memory });
    if (!this.#checks) this.#check(FIRST);
    return seat;
  }

  #send(message: LaneMessage): void {
    this.#outbox.postMessage(message);
    Atomics.add(this.#words, LaneWord.inbox, 1);
  }

  #ring(): void {
    if (!this.#stopping) this.#terms.ring();
  }

  wake(): void {
    this.#ring();
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
      answers: this.#answers.read(),
    };
  }

  /** As its interface says; at the end of the process, which would wait for the thread for ever, there is no more time. */
  halt(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    Atomics.store(this.#words, LaneWord.stop, 1);
    this.#terms.ring();
  }

  async close(): Promise<void> {
    this.halt();
    await this.#ended;
    this.#outbox.close();
  }
}

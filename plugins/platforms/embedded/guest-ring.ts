// SPDX-License-Identifier: MIT

import type { Clock, EventChannel } from '../../../core/platform/index.ts';
import { Flag, MAX_VECTORS, OP_BYTES, OP_START, Page, Status } from '../../../core/ring/layout.ts';

/** A request of a guest; what is not given is 0. All numbers go into the page as they are, also hostile ones. */
export interface GuestRequest {
  readonly cmd: number;
  readonly domain?: number;
  readonly bus?: number;
  readonly devfn?: number;
  readonly offset?: number;
  readonly size?: number;
  readonly value?: number;
  readonly info?: number;
  /** Entry indices of enable_msix. */
  readonly entries?: readonly number[];
}

export interface GuestAnswer {
  readonly err: number;
  /** Unsigned 32 bits. */
  readonly value: number;
  /** The vectors of the entries that were asked for. */
  readonly vectors: readonly number[];
  /** The back end did not answer; `err` is -1 then. */
  readonly timedOut: boolean;
}

/** An error request of the back end. */
export interface AerRequest {
  readonly cmd: number;
  /** Channel state of aer_detected. */
  readonly state: number;
  readonly domain: number;
  readonly bus: number;
  readonly devfn: number;
}

/** Answers an AER request with a verdict; `silent` leaves it unanswered. */
export type AerHandler = (request: AerRequest) => number | 'silent';

/** The front end tests its deadline only when a poll returns, and a poll lasts this long without an event. */
const POLL_MS = 3000;
const DEADLINE_MS = 2000;

const FLAGS = Page.flags >> 2;
/** The MSI-X list in the private copy, in halves. */
const ENTRIES = (Page.msixEntries - OP_START) >> 1;

const nothing: readonly number[] = [];

interface Waiting {
  readonly entries: number;
  readonly deadline: number;
  readonly resolve: (answer: GuestAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** The front end's side of the shared page: one outstanding request, AER answers, time-outs as the stock guest has them. */
export class FrontRing {
  readonly page: ArrayBufferLike;
  /** Requests sent so far, by command number. */
  readonly counts = new Map<number, number>();
  readonly #clock: Clock;
  readonly #onAer: AerHandler;
  readonly #words: Int32Array;
  /** The request in the page, and the private copy it is made in and read back to. */
  readonly #pageOp: Uint8Array;
  readonly #op = new Uint8Array(OP_BYTES);
  readonly #opWords = new Int32Array(this.#op.buffer);
  readonly #opHalves = new Uint16Array(this.#op.buffer);
  readonly #queue: (() => void)[] = [];
  #channel: EventChannel | undefined;
  #waiting: Waiting | undefined;
  #cancelPoll: () => void = () => undefined;
  #aerBusy = false;
  /** Why nothing is asked any more. */
  #closed: Error | undefined;

  constructor(page: ArrayBufferLike, clock: Clock, onAer: AerHandler) {
    this.page = page;
    this.#clock = clock;
    this.#onAer = onAer;
    this.#words = new Int32Array(page);
    this.#pageOp = new Uint8Array(page, OP_START, OP_BYTES);
    Atomics.store(this.#words, FLAGS, 0);
    Atomics.or(this.#words, FLAGS, Flag.aerHandler);
  }

  /** The event channel, once it is there. */
  connect(channel: EventChannel): void {
    this.#channel = channel;
  }

  /** Requests that are sent or wait for their turn. */
  get outstanding(): number {
    return this.#queue.length + (this.#waiting ? 1 : 0);
  }

  /** Sends a request when all earlier ones are answered. Rejects only when the ring is closed. */
  request(request: GuestRequest): Promise<GuestAnswer> {
    return new Promise((resolve, reject) => {
      const send = (): void => {
        if (this.#closed) reject(this.#closed);
        else this.#send(request, resolve, reject);
      };
      if (this.#waiting) this.#queue.push(send);
      else send();
    });
  }

  /** Sends an event without a request, as a guest that floods does. */
  notify(): void {
    this.#channel?.notify();
  }

  /** To be called for each event. */
  onEvent(): void {
    if (this.#closed) return;
    this.#channel?.unmask();
    if (this.#waiting) this.#poll(this.#waiting);
    else this.#lookForAer();
  }

  /** Gives the channel back; requests under way reject. */
  close(): void {
    this.halt(new Error('the guest’s ring is closed'));
    this.#channel?.close();
  }

  /** The kernel stops: channel and page stay as they are, nobody looks at them any more. */
  halt(why: Error): void {
    if (this.#closed) return;
    this.#closed = why;
    this.#cancelPoll();
    this.#waiting?.reject(why);
    this.#waiting = undefined;
    for (const send of this.#queue.splice(0)) send();
  }

  #send(request: GuestRequest, resolve: Waiting['resolve'], reject: Waiting['reject']): void {
    const entries = request.entries ?? nothing;
    this.counts.set(request.cmd, (this.counts.get(request.cmd) ?? 0) + 1);
    this.#put(Page.cmd, request.cmd);
    this.#put(Page.err, 0);
    this.#put(Page.domain, request.domain);
    this.#put(Page.bus, request.bus);
    this.#put(Page.devfn, request.devfn);
    this.#put(Page.offset, request.offset);
    this.#put(Page.size, request.size);
    this.#put(Page.value, request.value);
    this.#put(Page.info, request.info);
    const count = Math.min(entries.length, MAX_VECTORS);
    for (let index = 0; index < count; index += 1) {
      this.#opHalves[ENTRIES + 2 * index] = 0xffff;
      this.#opHalves[ENTRIES + 2 * index + 1] = entries[index] ?? 0;
    }
    this.#pageOp.set(this.#op);
    Atomics.or(this.#words, FLAGS, Flag.frontActive);
    this.#waiting = {
      entries: count,
      deadline: this.#clock.now() + DEADLINE_MS,
      resolve,
      reject,
    };
    this.#armPoll();
    this.#channel?.notify();
  }

  #put(at: number, value = 0): void {
    this.#opWords[(at - OP_START) >> 2] = value;
  }

  #get(at: number): number {
    return this.#opWords[(at - OP_START) >> 2] ?? 0;
  }

  #vectors(count: number): readonly number[] {
    if (count === 0) return nothing;
    return Array.from({ length: count }, (_, index) => this.#opHalves[ENTRIES + 2 * index] ?? 0);
  }

  #armPoll(): void {
    this.#cancelPoll();
    this.#cancelPoll = this.#clock.after(POLL_MS, () => {
      if (this.#waiting) this.#poll(this.#waiting);
    });
  }

  #poll(waiting: Waiting): void {
    if ((Atomics.load(this.#words, FLAGS) & Flag.frontActive) === 0) {
      this.#op.set(this.#pageOp);
      const [err, value] = [this.#get(Page.err), this.#get(Page.value) >>> 0];
      this.#done(waiting, { err, value, vectors: this.#vectors(waiting.entries), timedOut: false });
    } else if (this.#clock.now() > waiting.deadline) {
      Atomics.and(this.#words, FLAGS, ~Flag.frontActive);
      this.#done(waiting, { err: Status.devNotFound, value: 0, vectors: [], timedOut: true });
    } else this.#armPoll();
  }

  #done(waiting: Waiting, answer: GuestAnswer): void {
    this.#cancelPoll();
    this.#waiting = undefined;
    // Its event may have been taken for that of the answer.
    this.#lookForAer();
    waiting.resolve(answer);
    this.#queue.shift()?.();
  }

  #lookForAer(): void {
    if (this.#aerBusy || this.#closed || (Atomics.load(this.#words, FLAGS) & Flag.backActive) === 0) return;
    this.#aerBusy = true;
    setImmediate(() => this.#answerAer());
  }

  #answerAer(): void {
    if (this.#closed) return;
    const at = (offset: number): number => this.#words[offset >> 2] ?? 0;
    const verdict = this.#onAer({
      cmd: at(Page.aerCmd),
      state: at(Page.aerErr),
      domain: at(Page.aerDomain),
      bus: at(Page.aerBus),
      devfn: at(Page.aerDevfn),
    });
    if (verdict !== 'silent') {
      this.#words[Page.aerErr >> 2] = verdict;
      Atomics.and(this.#words, FLAGS, ~Flag.backActive);
      this.#channel?.notify();
    }
    this.#aerBusy = false;
    if (verdict !== 'silent') this.#lookForAer();
  }
}

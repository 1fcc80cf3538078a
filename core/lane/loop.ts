// SPDX-License-Identifier: MIT

import { LaneGuest, Look, type ReadHardware } from './lane-guest.ts';
import { LaneCount, type LaneMessage, LaneWord, type PageReference, SeatWord, type WatchPolicy } from './shared.ts';
import { WatchWindow } from './watch-window.ts';

/** Looks at all pages between two looks at the clock, which costs more, and garbage. */
const LOOKS = 256;
/** Milliseconds after which the lane asks for events of guests that have no seat, however busy the others keep it. */
const LONGEST_WAKE = 5;

/** What the lane needs of the platform it runs on, made in the lane's thread. */
export interface Bell {
  /** Ports of the events that ended the last {@link sleep}. */
  readonly ports: Uint32Array;
  /** Sleeps until events came or somebody rang; how many events there are in {@link ports}, -1: some were lost. */
  sleep(): number;
  /** Makes the next {@link sleep} end at once. */
  ring(): void;
  notify(port: number): void;
  unmask(port: number): void;
  readonly readHardware: ReadHardware;
  /** The memory of a mapped page. */
  page(reference: PageReference): ArrayBufferLike;
}

export interface LoopTerms {
  readonly bell: Bell;
  readonly words: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly policy: WatchPolicy;
  /** The next message of the control thread, if there is one. */
  readonly inbox: () => LaneMessage | undefined;
  /**
   * Tells the control thread: a positive number is the port of a seat that was handed over, a negative one that of an
   * event without a seat, 0 that events were lost.
   */
  readonly tell: (port: number) => void;
  /** Milliseconds that only go forward. */
  readonly now: () => number;
}

/**
 * The lane: sleeps until a guest sends an event, answers what needs no code, hands the rest to the control thread, and
 * looks at all pages for a while after an answer, so that the requests of a burst cost one wake-up together.
 */
export class LaneLoop {
  readonly #terms: LoopTerms;
  readonly #words: Int32Array;
  readonly #counts: Float64Array;
  readonly #window: WatchWindow;
  readonly #byPort = new Map<number, LaneGuest>();
  #guests: LaneGuest[] = [];
  #drained = 0;

  constructor(terms: LoopTerms) {
    this.#terms = terms;
    this.#words = new Int32Array(terms.words);
    this.#counts = new Float64Array(terms.counts);
    this.#window = new WatchWindow(terms.policy);
  }

  /** Runs until it is told to stop. */
  run(): void {
    while (Atomics.load(this.#words, LaneWord.stop) === 0) this.wake(this.#terms.bell.sleep());
  }

  /** One wake-up: `count` events, or -1 when some were lost. */
  wake(count: number): void {
    Atomics.store(this.#words, LaneWord.awake, 1);
    this.#count(LaneCount.wakes, 1);
    this.#drain();
    let busy = false;
    for (let i = 0; i < count; i++) busy = this.#delivered(this.#terms.bell.ports[i] as number) || busy;
    if (count < 0) {
      this.#terms.tell(0);
      for (const guest of this.#guests) busy = this.#delivered(guest.port) || busy;
    }
    if (count <= 0) busy = this.#lookAtAll() || busy;
    if (busy) this.#watch();
    // In this order: the control thread leaves unmask and look to a lane that is awake.
    Atomics.store(this.#words, LaneWord.awake, 0);
    for (let i = 0; i < this.#guests.length; i++) this.#settle(this.#guests[i] as LaneGuest);
  }

  /** An event: the channel is masked now. @returns whether it brought work */
  #delivered(port: number): boolean {
    const guest = this.#byPort.get(port);
    if (guest === undefined) {
      this.#terms.tell(-port);
      return false;
    }
    Atomics.store(guest.words, SeatWord.owed, 1);
    const look = this.#look(guest);
    if (look === Look.taken) Atomics.store(guest.words, SeatWord.missed, 1);
    else if (look === Look.nothing) return this.#empty(guest);
    return true;
  }

  /** An event without a request: one that came while its request was answered already, or one for the control thread. */
  #empty(guest: LaneGuest): boolean {
    if (guest.servedSinceUnmask > 0 && Atomics.load(guest.words, SeatWord.awaits) === 0) {
      guest.servedSinceUnmask = 0;
      return false;
    }
    if (guest.own()) {
      guest.handOver();
      this.#terms.tell(guest.port);
    } else Atomics.store(guest.words, SeatWord.missed, 1);
    return false;
  }

  #look(guest: LaneGuest): number {
    const look = guest.look(this.#fetch);
    if (look === Look.answered) this.#terms.bell.notify(guest.port);
    else if (look === Look.handedOver) this.#terms.tell(guest.port);
    return look;
  }

  #lookAtAll(): boolean {
    let busy = false;
    for (let i = 0; i < this.#guests.length; i++) {
      const look = this.#look(this.#guests[i] as LaneGuest);
      busy = look >= Look.answered || busy;
    }
    return busy;
  }

  #watch(): void {
    const { now } = this.#terms;
    const began = now();
    let last = began;
    let time = began;
    for (let looks = 1; time - last < this.#window.length; looks++) {
      const busy = this.#lookAtAll();
      if (!busy && looks % LOOKS !== 0) continue;
      time = now();
      if (!busy) continue;
      this.#window.found(time - last);
      this.#count(LaneCount.found, 1);
      this.#count(LaneCount.watched, time - last);
      last = time;
      this.#drain();
      if (time - began > LONGEST_WAKE) {
        this.#terms.bell.ring();
        return;
      }
    }
    this.#window.vain();
    this.#count(LaneCount.inVain, 1);
    this.#count(LaneCount.watched, time - last);
  }

  /** Before the lane sleeps: one last look, and the unmask that is owed. */
  #settle(guest: LaneGuest): void {
    if (Atomics.load(guest.words, SeatWord.owed) === 0) return;
    const look = this.#look(guest);
    // Then the control thread does the rest: it sees that the lane is not awake any more.
    if (look === Look.taken || look === Look.handedOver || !guest.own()) return;
    Atomics.store(guest.words, SeatWord.missed, 0);
    if (Atomics.exchange(guest.words, SeatWord.owed, 0) === 1) this.#terms.bell.unmask(guest.port);
    guest.release();
  }

  readonly #fetch = (): void => this.#drain();

  #drain(): void {
    const announced = Atomics.load(this.#words, LaneWord.inbox);
    if (announced === this.#drained) return;
    this.#drained = announced;
    for (let message = this.#terms.inbox(); message !== undefined; message = this.#terms.inbox()) this.#obey(message);
  }

  #obey(message: LaneMessage): void {
    const { bell } = this.#terms;
    switch (message.what) {
      case 'seat': {
        const guest = new LaneGuest(message.port, bell.page(message.page), message.words, bell.readHardware);
        this.#byPort.set(message.port, guest);
        this.#guests = [...this.#byPort.values()];
        return;
      }
      case 'view':
        this.#byPort.get(message.port)?.show(message.view);
        return;
      case 'leave':
        this.#byPort.delete(message.port);
        this.#guests = [...this.#byPort.values()];
    }
  }

  #count(index: number, more: number): void {
    this.#counts[index] = (this.#counts[index] as number) + more;
  }
}

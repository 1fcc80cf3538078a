// SPDX-License-Identifier: MIT

import { availableParallelism } from 'node:os';
import { WatchWindow } from '../../core/dispatcher/watch-window.ts';
import { type Bell, USUAL_WAKE, type WatchPolicy } from '../../core/platform/index.ts';
import { LaneGuest, Look } from './lane-guest.ts';
import { Pace } from './pace.ts';
import { LaneCount, type LaneMessage, LaneWord, LEFT_WORK, SeatWord } from './shared.ts';

/** Whether there is a processor for the control thread while the lane watches. */
const ROOM = availableParallelism() > 1;
/** Milliseconds, and wake-ups, after which the lane hears events, however busy those keep it whom it looks at. */
const DEAF = 5;
const DEAF_WAKES = 50;
/** Milliseconds after which a lane that never sleeps has no precedence any more. */
const URGENT = 1000;

export interface LoopTerms {
  readonly bell: Bell;
  readonly words: SharedArrayBuffer;
  readonly counts: SharedArrayBuffer;
  readonly policy: WatchPolicy;
  /** The next message of the control thread, if there is one. */
  readonly inbox: () => LaneMessage | undefined;
  /**
   * Tells the control thread: a positive number is the port of a seat that was handed over, a negative one that of an
   * event without a seat, 0 that events were lost; {@link LEFT_WORK} added to a port, that its guest's writes left work.
   */
  readonly tell: (port: number) => void;
  /** Milliseconds, the same as the control thread's. */
  readonly now: () => number;
}

/**
 * The lane: sleeps until a guest sends an event, answers what needs no code, hands the rest to the control thread, and
 * looks at all pages for a while after an answer, so that the requests of a burst cost one wake-up together.
 */
export class LaneLoop {
  readonly pace: Pace;
  readonly #terms: LoopTerms;
  readonly #words: Int32Array;
  readonly #counts: Float64Array;
  readonly #window: WatchWindow;
  readonly #byPort = new Map<number, LaneGuest>();
  #guests: LaneGuest[] = [];
  #drained = 0;
  #urgent = false;
  /** When a request was there last. */
  #last = 0;
  /** When it woke last. */
  #woke = 0;
  /** The control thread has given a page back that was handed over to it. */
  #returned = false;

  constructor(terms: LoopTerms) {
    this.#terms = terms;
    this.#words = new Int32Array(terms.words);
    this.#counts = new Float64Array(terms.counts);
    this.pace = new Pace(terms.now);
    this.#window = new WatchWindow({
      policy: terms.policy,
      wakeMs: () => this.#wakeMs,
    });
  }

  /** Runs until it is told to stop. */
  run(): void {
    while (Atomics.load(this.#words, LaneWord.stop) === 0) {
      this.#hurry('urgent');
      this.wake(this.#terms.bell.sleep());
    }
  }

  /** Knows nothing of what was before: habits of guests, counts, messages that it has taken. */
  forget(): void {
    this.#window.forget();
    this.#counts.fill(0);
    this.#drained = -1;
  }

  /** A guest waits, so the lane goes first; one that keeps it awake must not keep everything else waiting. */
  #hurry(pace: 'urgent' | 'usual'): void {
    const raised = pace === 'urgent';
    if (raised === this.#urgent) return;
    this.#urgent = raised;
    const obeyed = this.#terms.bell.hurry?.(pace) === true;
    Atomics.store(this.#words, LaneWord.urgent, raised && obeyed ? 1 : 0);
  }

  /** One wake-up: `count` events, or -1 when some were lost. */
  wake(count: number): void {
    Atomics.store(this.#words, LaneWord.awake, 1);
    this.#woke = this.pace.sync();
    this.#count(LaneCount.wakes, 1);
    if (this.#counts[LaneCount.rung] !== 0) this.#measureWake();
    this.#drain();
    if (this.#hear(count)) {
      this.#last = this.pace.sync();
      while (this.#watch()) this.#listen();
    }
    // In this order: the control thread leaves unmask and look to a lane that is awake.
    Atomics.store(this.#words, LaneWord.awake, 0);
    // A guest that leaves meanwhile makes a new list: in that one the next would be passed over, and sleep for ever.
    const guests = this.#guests;
    for (let i = 0; i < guests.length; i++) {
      const guest = guests[i] as LaneGuest;
      this.#settle(guest);
      this.#tellWork(guest);
    }
  }

  /** Takes what was heard: `count` events, or -1 when some were lost. @returns whether there was a request */
  #hear(count: number): boolean {
    let busy = false;
    for (let i = 0; i < count; i++) busy = this.#delivered(this.#terms.bell.ports[i] as number) || busy;
    if (count < 0) {
      this.#terms.tell(0);
      for (const guest of this.#guests) busy = this.#delivered(guest.port) || busy;
    }
    return (count <= 0 && this.#lookAtAll('heard') >= Look.answered) || busy;
  }

  get #wakeMs(): number {
    return this.#counts[LaneCount.wakeMs] || USUAL_WAKE;
  }

  #measureWake(): void {
    const least = this.#counts[LaneCount.wakeMs] || Number.POSITIVE_INFINITY;
    this.#counts[LaneCount.wakeMs] = Math.min(least, this.#terms.now() - (this.#counts[LaneCount.rung] as number));
    this.#counts[LaneCount.rung] = 0;
  }

  /** An event: the channel is masked now. @returns whether there was a request */
  #delivered(port: number): boolean {
    const guest = this.#byPort.get(port);
    if (guest === undefined) {
      this.#terms.tell(-port);
      return false;
    }
    Atomics.store(guest.words, SeatWord.owed, 1);
    const look = this.#look(guest, 'heard');
    if (look === Look.taken) Atomics.store(guest.words, SeatWord.missed, 1);
    else if (look === Look.nothing) this.#empty(guest);
    // One event may have been for both, this request and the answer that the control thread waits for.
    else if (look === Look.answered && awaitsAnswer(guest)) this.#handOver(guest);
    return look >= Look.answered;
  }

  /** An event without a request: one that came while its request was answered already, or one for the control thread. */
  #empty(guest: LaneGuest): void {
    if (guest.servedSinceEmpty > 0 && !awaitsAnswer(guest)) {
      guest.servedSinceEmpty = 0;
      return;
    }
    this.#handOver(guest);
  }

  /** The event is the control thread's; while that has the seat, the lane comes back to it when it settles. */
  #handOver(guest: LaneGuest): void {
    if (guest.own()) {
      guest.handOver();
      this.#terms.tell(guest.port);
    } else Atomics.store(guest.words, SeatWord.missed, 1);
  }

  /** @param how a guest that is heard sleeps, unlike one that is seen */
  #look(guest: LaneGuest, how: 'heard' | 'seen'): number {
    const look = guest.look(this.#fetch);
    if (guest.handed && look !== Look.taken) {
      guest.handed = false;
      this.#returned = true;
    }
    if (look < Look.answered) return look;
    guest.announcement.asked();
    if (look === Look.handedOver) {
      guest.handed = true;
      guest.announcement.interrupt();
      this.#terms.tell(guest.port);
    } else this.#answered(guest, how);
    return look;
  }

  #answered(guest: LaneGuest, how: 'heard' | 'seen'): void {
    const { announcement } = guest;
    const lost = this.pace.answered();
    const now = this.pace.time;
    if (how === 'heard') {
      this.#window.came(now - announcement.answeredAt);
      announcement.heard(now);
      this.#terms.bell.notify(guest.port);
    } else if (announcement.seen(now, lost, this.#window.limit)) this.#terms.bell.notify(guest.port);
  }

  #announce(guest: LaneGuest): void {
    guest.announcement.interrupt();
    this.#terms.bell.notify(guest.port);
  }

  /** Announces answers after which nothing has come for longer than their guests usually take. */
  #announceLate(time: number): void {
    for (let i = 0; i < this.#guests.length; i++) {
      const guest = this.#guests[i] as LaneGuest;
      if (guest.announcement.isOpen && guest.announcement.isLate(time)) this.#announce(guest);
    }
  }

  /** @returns one of {@link Look}: the most that one of them had */
  #lookAtAll(how: 'heard' | 'seen'): number {
    let most: number = Look.taken;
    for (let i = 0; i < this.#guests.length; i++) {
      const look = this.#look(this.#guests[i] as LaneGuest, how);
      if (look > most) most = look;
    }
    return most;
  }

  /**
   * Looks for requests until none has come for a while, or others have to be heard. It comes back for those: code that is
   * compiled better meanwhile is used when it is entered the next time.
   *
   * @returns whether there is more to come
   */
  #watch(): boolean {
    const pace = this.pace;
    const until = pace.time + Math.max(DEAF, DEAF_WAKES * this.#wakeMs);
    let patience = this.#patience;
    while (pace.time - this.#last < patience) {
      const found = this.#lookAtAll('seen') >= Look.answered;
      const pages = this.#guests.length || 1;
      const asked = pace.look(pages);
      if (found) {
        // When the control thread has answered is not known.
        if (!this.#returned) this.#window.came(pace.time - this.#last);
        this.#count(LaneCount.found, 1);
        this.#count(LaneCount.watched, pace.time - this.#last);
        this.#last = pace.time;
        patience = this.#patience;
      }
      if (this.#returned) {
        this.#returned = false;
        this.#last = pace.time;
      }
      if (!asked) continue;
      this.#announceLate(pace.time);
      patience = this.#patience;
      // A guest that never stops asking must not keep the thread from its end.
      if (Atomics.load(this.#words, LaneWord.stop) === 1) return false;
      this.#drain();
      if (pace.time > until) return true;
    }
    this.#count(LaneCount.watched, pace.time - this.#last);
    if (this.#isHelped) return false;
    this.#window.vain();
    this.#count(LaneCount.inVain, 1);
    return false;
  }

  /** A guest that never stops asking must keep neither the events of others from being heard, nor its own from their end. */
  #listen(): void {
    if (this.pace.time - this.#woke > URGENT) this.#hurry('usual');
    const count = this.#terms.bell.peek();
    this.#drain();
    if (count !== 0) this.#hear(count);
    for (let i = 0; i < this.#guests.length; i++) this.#tellWork(this.#guests[i] as LaneGuest);
  }

  /** Whether the control thread works on a request that was handed over. */
  get #isHelped(): boolean {
    for (let i = 0; i < this.#guests.length; i++) if ((this.#guests[i] as LaneGuest).handed) return true;
    return false;
  }

  /** How long to go on watching; while the control thread works on a request its guest asks nothing. */
  get #patience(): number {
    if (!this.#isHelped) return this.#window.length;
    return ROOM ? this.#window.limit : 0;
  }

  #tellWork(guest: LaneGuest): void {
    if (guest.leavesWork()) this.#terms.tell(guest.port + LEFT_WORK);
  }

  /** Before the lane sleeps: one last look, and the unmask that is owed. */
  #settle(guest: LaneGuest): void {
    if (guest.announcement.isOpen) this.#announce(guest);
    // Missed, and owed no more: the control thread, which saw the lane asleep, has unmasked in between.
    if (Atomics.load(guest.words, SeatWord.owed) === 0 && Atomics.load(guest.words, SeatWord.missed) === 0) return;
    const look = this.#look(guest, 'heard');
    // Then the control thread does the rest: it sees that the lane is not awake any more.
    if (look === Look.taken || look === Look.handedOver || !guest.own()) return;
    // What the event was for is not known: it came while the control thread had the seat.
    if (Atomics.exchange(guest.words, SeatWord.missed, 0) === 1 && awaitsAnswer(guest)) {
      guest.handOver();
      this.#terms.tell(guest.port);
      return;
    }
    if (Atomics.exchange(guest.words, SeatWord.owed, 0) === 1) this.#terms.bell.unmask(guest.port);
    guest.release();
  }

  readonly #fetch = (): void => this.#drain();

  #drain(): void {
    const announced = Atomics.load(this.#words, LaneWord.inbox);
    if (announced === this.#drained) return;
    this.#drained = announced;
    for (let message = this.#terms.inbox(); message !== undefined; message = this.#terms.inbox()) this.obey(message);
  }

  /** Does what the control thread says. */
  obey(message: LaneMessage): void {
    const { bell } = this.#terms;
    switch (message.what) {
      case 'seat': {
        const guest = new LaneGuest(message.port, bell.hardware.page(message.page), message.words, bell.hardware);
        this.#byPort.set(message.port, guest);
        this.#guests = [...this.#byPort.values()];
        return;
      }
      case 'view':
        this.#byPort.get(message.port)?.show(message.view);
        return;
      case 'leave':
        // Its port may be somebody else's by the time that the lane settles.
        this.#byPort.get(message.port)?.announcement.interrupt();
        this.#byPort.delete(message.port);
        this.#guests = [...this.#byPort.values()];
    }
  }

  #count(index: number, more: number): void {
    this.#counts[index] = (this.#counts[index] as number) + more;
  }
}

/** Whether the control thread waits for the guest's answer to an error report: then every event is its own. */
const awaitsAnswer = (guest: LaneGuest): boolean => Atomics.load(guest.words, SeatWord.awaits) === 1;

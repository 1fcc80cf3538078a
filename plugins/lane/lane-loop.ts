// SPDX-License-Identifier: MIT

import { availableParallelism } from 'node:os';
import { Histogram } from '../histogram.ts';
import type { WatchPolicy } from '../kinds/answerer.ts';
import type { Bell } from '../kinds/bell.ts';
import { Account, USUAL_SHARE } from './account.ts';
import { LaneClock } from './lane-clock.ts';
import { LaneGuest, Look } from './lane-guest.ts';
import { LaneCount, type LaneMessage, LaneWord, LEFT_WORK, SeatWord } from './thread-protocol.ts';
import { WatchWindow } from './watch-window.ts';

/** Whether there is another processor for the control thread while the lane watches. */
const CAN_WATCH_BESIDE = availableParallelism() > 1;
/** Milliseconds of a wake-up on a host that was not measured. */
const USUAL_WAKE_MS = 0.05;
/**
 * Longest time between two looks for events while the lane watches pages: in milliseconds, and in wake-ups of this host,
 * whichever is longer.
 */
const LONGEST_DEAF_MS = 5;
const LONGEST_DEAF_WAKES = 50;
/** Milliseconds after a request of one guest in which another one that asks counts as beside it. */
const BESIDE_MS = 100;
/** Milliseconds after which a lane that has not slept gives its precedence up. */
const LONGEST_URGENT_MS = 1000;

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
 * What the lane's thread does: it sleeps until a guest sends an event, answers what needs no code of a plugin, and hands
 * the rest to the control thread. After an answer it watches: it looks at the pages of all guests for a while, so that a
 * burst of requests costs one wake-up, not one each.
 */
export class LaneLoop {
  readonly clock: LaneClock;
  readonly #terms: LoopTerms;
  readonly #words: Int32Array;
  readonly #counts: Float64Array;
  readonly #answers: Histogram;
  readonly #window: WatchWindow;
  readonly #byPort = new Map<number, LaneGuest>();
  #guests: LaneGuest[] = [];
  /** The value of `LaneWord.inbox` up to which messages were read. */
  #readUpTo = 0;
  #urgent = false;
  /** When the lane found a request last, or got a page back, of a guest for which it may watch. */
  #busyAt = 0;
  /** That guest, for which it watches now. */
  #watchedFor: LaneGuest | undefined;
  /** Such a guest that has asked in the last round of looks. */
  #next: LaneGuest | undefined;
  /** Who asked last, and when last somebody else did. */
  #asker: LaneGuest | undefined;
  #besideAt = Number.NEGATIVE_INFINITY;
  #wokeAt = 0;
  /** The control thread has answered a request that was handed over, so a page is the lane's again. */
  #returned = false;

  constructor(terms: LoopTerms) {
    this.#terms = terms;
    this.#words = new Int32Array(terms.words);
    this.#counts = new Float64Array(terms.counts);
    this.#answers = new Histogram(this.#counts.subarray(LaneCount.answers));
    this.clock = new LaneClock(terms.now);
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

  /** Forgets all it learnt and counted; messages are looked for again. For the end of a rehearsal. */
  forget(): void {
    this.#window.forget();
    this.#counts.fill(0);
    this.#readUpTo = -1;
  }

  /** Guests wait for the lane, so it goes before other programs; unless it is awake for so long that they would starve. */
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
    this.#wokeAt = this.clock.sync();
    this.#count(LaneCount.wakes, 1);
    if (this.#counts[LaneCount.rung] !== 0) this.#measureWake();
    this.#readMessages();
    this.#next = undefined;
    if (this.#hear(count) && this.#next !== undefined) {
      this.#watchedFor = this.#next;
      this.#busyAt = this.clock.sync();
      while (this.#watch()) this.#listen();
    }
    // Before the last look at each guest. While the word is set the control thread leaves unmasking and looking to the
    // lane. If it were cleared after that look, what the control thread left in between would be done by nobody.
    Atomics.store(this.#words, LaneWord.awake, 0);
    // `#guests` becomes a new list when a guest leaves, which can happen in this loop. By its index in that list the guest
    // after the one that left would be skipped, and nobody would unmask its channel. So the old list is gone through.
    const guests = this.#guests;
    for (let i = 0; i < guests.length; i++) {
      const guest = guests[i] as LaneGuest;
      this.#settle(guest);
      this.#tellWork(guest);
    }
  }

  /** Works on `count` events, or on -1: some were lost. @returns whether there was a request */
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
    return this.#counts[LaneCount.wakeMs] || USUAL_WAKE_MS;
  }

  #measureWake(): void {
    const least = this.#counts[LaneCount.wakeMs] || Number.POSITIVE_INFINITY;
    this.#counts[LaneCount.wakeMs] = Math.min(least, this.#terms.now() - (this.#counts[LaneCount.rung] as number));
    this.#counts[LaneCount.rung] = 0;
  }

  /** An event of this port was reported; its channel is masked now. @returns whether there was a request */
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
    // Events are merged: this one may also tell of the answer to an error report, for which the control thread waits.
    else if (look === Look.answered && awaitsAnswer(guest)) this.#handOver(guest);
    return look >= Look.answered;
  }

  /**
   * An event without a request. Either its request was found by looking and answered before the event came, or the event
   * is for the control thread.
   */
  #empty(guest: LaneGuest): void {
    if (guest.servedSinceEmpty > 0 && !awaitsAnswer(guest)) {
      guest.servedSinceEmpty = 0;
      return;
    }
    this.#handOver(guest);
  }

  /** The event is for the control thread. If that has the seat already, the lane looks at the page again before it sleeps. */
  #handOver(guest: LaneGuest): void {
    if (guest.own()) {
      guest.handOver();
      this.#terms.tell(guest.port);
    } else Atomics.store(guest.words, SeatWord.missed, 1);
  }

  /** @param how `heard`: an event came, so the guest may sleep; `seen`: the lane looks by itself */
  #look(guest: LaneGuest, how: 'heard' | 'seen'): number {
    const look = guest.look(this.#fetch);
    if (guest.handed && look !== Look.taken) {
      guest.handed = false;
      this.#returned ||= this.#watchedFor === guest;
    }
    if (look < Look.answered) return look;
    this.#asked(guest);
    guest.announcement.asked();
    if (look === Look.handedOver) {
      guest.handed = true;
      guest.announcement.interrupt();
      this.#terms.tell(guest.port);
    } else this.#answered(guest, how);
    return look;
  }

  #asked(guest: LaneGuest): void {
    const { time } = this.clock;
    if (this.#asker !== guest) this.#besideAt = time;
    this.#asker = guest;
    // One that never pauses for long has used up what it had: it is answered, and nobody stays awake for it.
    if (guest.account.mayWatch(time)) this.#next = guest;
  }

  #answered(guest: LaneGuest, how: 'heard' | 'seen'): void {
    const { announcement } = guest;
    const away = this.clock.answered();
    const now = this.clock.time;
    this.#answers.add(away);
    guest.account.answered(now, away);
    if (how === 'heard') {
      this.#window.came(now - announcement.answeredAt);
      announcement.heard(now);
      this.#terms.bell.notify(guest.port);
    } else if (announcement.seen(now, away, this.#window.limit)) this.#terms.bell.notify(guest.port);
  }

  #announce(guest: LaneGuest): void {
    guest.announcement.interrupt();
    this.#terms.bell.notify(guest.port);
  }

  /** Announces answers to guests that have asked nothing for so long that they may sleep. */
  #announceLate(time: number): void {
    for (let i = 0; i < this.#guests.length; i++) {
      const guest = this.#guests[i] as LaneGuest;
      if (guest.announcement.isOpen && guest.announcement.isLate(time)) this.#announce(guest);
    }
  }

  /** @returns one of {@link Look}: the highest of all guests */
  #lookAtAll(how: 'heard' | 'seen'): number {
    let most: number = Look.taken;
    const { time } = this.clock;
    const isContested = time - this.#besideAt < BESIDE_MS;
    for (let i = 0; i < this.#guests.length; i++) {
      const guest = this.#guests[i] as LaneGuest;
      if (isContested && guest.account.heldUntil > time && how === 'seen') continue;
      const look = this.#look(guest, how);
      if (look > most) most = look;
    }
    return most;
  }

  /**
   * Looks at all pages until no request has come for a while, or events have to be looked for. It returns for that, instead
   * of doing it inside of its loop, because the engine enters code that it has compiled better meanwhile at the next call.
   *
   * @returns whether watching goes on after a look for events
   */
  #watch(): boolean {
    const { clock } = this;
    const until = clock.time + Math.max(LONGEST_DEAF_MS, LONGEST_DEAF_WAKES * this.#wakeMs);
    let patience = this.#patience;
    while (clock.time - this.#busyAt < patience) {
      this.#next = undefined;
      const found = this.#lookAtAll('seen') >= Look.answered;
      const pages = this.#guests.length || 1;
      const asked = clock.looked(pages);
      if (found) {
        this.#count(LaneCount.found, 1);
        if (this.#next !== undefined) {
          // If it came after an answer of the control thread, nobody knows how long after.
          if (!this.#returned) this.#window.came(clock.time - this.#busyAt);
          this.#pay(this.#next);
          patience = this.#patience;
        }
      }
      if (this.#returned) {
        this.#returned = false;
        this.#busyAt = clock.time;
      }
      if (!asked) continue;
      this.#announceLate(clock.time);
      patience = this.#patience;
      // A guest that never stops asking must not keep the thread from ending.
      if (Atomics.load(this.#words, LaneWord.stop) === 1) return false;
      this.#readMessages();
      if (clock.time > until) return true;
    }
    this.#pay(undefined);
    if (this.#isHelped) return false;
    this.#window.vain();
    this.#count(LaneCount.inVain, 1);
    return false;
  }

  /** Takes the time since the last request from the guest that was watched for. From now on it is `next`. */
  #pay(next: LaneGuest | undefined): void {
    const { time } = this.clock;
    const took = time - this.#busyAt;
    this.#count(LaneCount.watched, took);
    this.#watchedFor?.account.watched(time, took, this.#wakeMs);
    this.#watchedFor = next;
    this.#busyAt = time;
  }

  /** Looks for events, messages and work that is left, which a guest that never stops asking must not delay for others. */
  #listen(): void {
    if (this.clock.time - this.#wokeAt > LONGEST_URGENT_MS) this.#hurry('usual');
    const count = this.#terms.bell.peek();
    this.#readMessages();
    if (count !== 0) this.#hear(count);
    for (let i = 0; i < this.#guests.length; i++) this.#tellWork(this.#guests[i] as LaneGuest);
  }

  /** Whether the control thread works on a request that was handed over. */
  get #isHelped(): boolean {
    for (let i = 0; i < this.#guests.length; i++) if ((this.#guests[i] as LaneGuest).handed) return true;
    return false;
  }

  /**
   * How long to watch without finding a request. While the control thread works on a request its guest cannot ask, so
   * habits say nothing then; the lane watches as long as it may, or not at all where it would take that thread's processor.
   */
  get #patience(): number {
    if (!this.#isHelped) return this.#window.length;
    return CAN_WATCH_BESIDE ? this.#window.limit : 0;
  }

  #tellWork(guest: LaneGuest): void {
    if (guest.leavesWork()) this.#terms.tell(guest.port + LEFT_WORK);
  }

  /** The last look at a guest before the lane sleeps, and the unmask of its channel if that is still to come. */
  #settle(guest: LaneGuest): void {
    if (guest.announcement.isOpen) this.#announce(guest);
    // An event may have been missed although no unmask is owed: the control thread saw `awake` cleared and has unmasked.
    if (Atomics.load(guest.words, SeatWord.owed) === 0 && Atomics.load(guest.words, SeatWord.missed) === 0) return;
    const look = this.#look(guest, 'heard');
    // The control thread has the seat, or gets it now. It sees that the lane is not awake, and does the rest itself.
    if (look === Look.taken || look === Look.handedOver || !guest.own()) return;
    // An event that came while the control thread had the seat may tell of the answer for which that thread waits.
    if (Atomics.exchange(guest.words, SeatWord.missed, 0) === 1 && awaitsAnswer(guest)) {
      guest.handOver();
      this.#terms.tell(guest.port);
      return;
    }
    if (Atomics.exchange(guest.words, SeatWord.owed, 0) === 1) this.#terms.bell.unmask(guest.port);
    guest.release();
  }

  readonly #fetch = (): void => this.#readMessages();

  #readMessages(): void {
    Atomics.add(this.#words, LaneWord.beat, 1);
    const sent = Atomics.load(this.#words, LaneWord.inbox);
    if (sent === this.#readUpTo) return;
    this.#readUpTo = sent;
    for (let message = this.#terms.inbox(); message !== undefined; message = this.#terms.inbox()) this.obey(message);
  }

  /** Does what the control thread says. */
  obey(message: LaneMessage): void {
    const { bell } = this.#terms;
    switch (message.what) {
      case 'seat': {
        const page = bell.hardware.page(message.page);
        const account = new Account(message.share ?? this.#terms.policy.share ?? USUAL_SHARE);
        const guest = new LaneGuest(message.port, page, message.words, bell.hardware, account);
        this.#byPort.set(message.port, guest);
        this.#guests = [...this.#byPort.values()];
        return;
      }
      case 'view':
        this.#byPort.get(message.port)?.show(message.view);
        return;
      case 'leave':
        // The port may belong to another guest before the lane sleeps; that one must get no event for an answer to this one.
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

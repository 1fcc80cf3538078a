// SPDX-License-Identifier: MIT

import type { Seat as AnswererSeat, EventChannel, TakeRefused } from '../../core/platform/index.ts';
import type { GuestView } from '../../core/space/views.ts';
import { Refusals } from './refusals.ts';
import { type LaneMessage, LaneWord, Owner, SeatWord } from './thread-protocol.ts';

/** How often the control thread tries to take a seat before it sleeps between tries: the lane has one for microseconds. */
const BUSY_TRIES = 1000;
/** Milliseconds of sleep between two tries afterwards: the lane may have lost its processor while it has the seat. */
const TRY_PAUSE_MS = 1;

/** What a seat needs of its lane. */
export interface SeatTerms {
  readonly channel: EventChannel;
  /** `LaneWord`s of the lane as a whole. */
  readonly lane: Int32Array;
  readonly send: (message: LaneMessage) => void;
  /** Wakes the lane. */
  readonly ring: () => void;
  /** The seat is given up for good. */
  readonly left: () => void;
  /** Does what writes that the lane answered have left. */
  readonly leftWork: (refused: TakeRefused) => void;
}

/**
 * The control thread's side of a guest that the lane serves. The control thread uses it as the guest's event channel: it
 * hears an event only when it has the seat, and its `unmask` gives the seat back.
 */
export class Seat implements AnswererSeat {
  readonly port: number;
  /** {@link SeatWord}s, shared with the lane. */
  readonly memory = new SharedArrayBuffer(4 * SeatWord.words);
  readonly #terms: SeatTerms;
  readonly #words = new Int32Array(this.memory);
  readonly #refusals = new Refusals();
  #left = false;
  #served = 0;
  #stoodIn = false;

  constructor(terms: SeatTerms) {
    this.port = terms.channel.port;
    this.#terms = terms;
  }

  notify(): void {
    this.#terms.channel.notify();
  }

  /** Gives the seat back to the lane. If the lane sleeps, which then ends no delivery, that is done here. */
  unmask(): void {
    if (this.#left) return;
    Atomics.store(this.#words, SeatWord.owner, Owner.nobody);
    Atomics.notify(this.#words, SeatWord.owner);
    if (Atomics.load(this.#terms.lane, LaneWord.awake) === 1) return;
    // An event was missed, so the lane has to look at the page; it also ends the delivery. It clears `missed` itself,
    // because it must know then that the event may be one for the control thread.
    if (Atomics.load(this.#words, SeatWord.missed) === 1) this.#terms.ring();
    else if (Atomics.exchange(this.#words, SeatWord.owed, 0) === 1) this.#terms.channel.unmask();
  }

  /** An event came before the lane knew the seat. The lane is woken to look at the page and to end the delivery. */
  missed(): void {
    Atomics.store(this.#words, SeatWord.owed, 1);
    Atomics.store(this.#words, SeatWord.missed, 1);
    this.#terms.ring();
  }

  /** Whether the lane has answered requests since this was asked last. */
  hasServed(): boolean {
    const served = Atomics.load(this.#words, SeatWord.served);
    // A look in the lane's place is no empty event of the guest's.
    const more = served !== this.#served || this.#stoodIn;
    this.#served = served;
    this.#stoodIn = false;
    return more;
  }

  /** The lane is held up: has the control thread look at the page in its place, unless the lane has it. */
  standIn(deliver: () => void): void {
    if (this.#left) return;
    if (Atomics.compareExchange(this.#words, SeatWord.owner, Owner.nobody, Owner.control) !== Owner.nobody) return;
    this.#stoodIn = true;
    deliver();
  }

  /** While the guest's answer to an error report is awaited every event goes to the control thread. */
  awaitsAnswer(state: 'yes' | 'no'): void {
    Atomics.store(this.#words, SeatWord.awaits, state === 'yes' ? 1 : 0);
  }

  /** Does what the lane has left to be done. */
  catchUp(): void {
    this.hold(() => this.#terms.leftWork(this.#refusals.take));
  }

  /** Does `work` while the lane keeps off the page and everything it answers from. */
  hold(work: () => void): void {
    const mine = !this.#left && this.#take();
    try {
      work();
    } finally {
      if (mine) this.unmask();
    }
  }

  /** From the next request on the lane answers from this view. When it returns the old one is not used any more. */
  show(view: GuestView): void {
    if (this.#left) return;
    this.hold(() => {
      this.#terms.send({ what: 'view', port: this.port, view: { ...view, refusals: this.#refusals.memory } });
      Atomics.add(this.#words, SeatWord.version, 1);
    });
  }

  /** After it returns the lane never looks at the page again, nor at a device of the guest. The channel stays open. */
  leave(): void {
    if (this.#left) return;
    this.#take();
    try {
      this.#terms.leftWork(this.#refusals.take);
    } finally {
      this.#left = true;
      this.#terms.send({ what: 'leave', port: this.port });
      this.#terms.left();
    }
  }

  close(): void {
    try {
      this.leave();
    } finally {
      this.#terms.channel.close();
    }
  }

  /**
   * Takes the seat, and waits for it if the lane has it.
   *
   * @returns whether it has to be given back; not if the control thread had it before
   */
  #take(): boolean {
    for (let tries = 1; ; tries++) {
      const owner = Atomics.compareExchange(this.#words, SeatWord.owner, Owner.nobody, Owner.control);
      if (owner !== Owner.lane) return owner === Owner.nobody;
      // A lane that has ended with the seat in its hands never gives it back.
      if (Atomics.load(this.#terms.lane, LaneWord.ended) === 1) {
        Atomics.store(this.#words, SeatWord.owner, Owner.control);
        return true;
      }
      if (tries > BUSY_TRIES) Atomics.wait(this.#words, SeatWord.owner, Owner.lane, TRY_PAUSE_MS);
    }
  }
}

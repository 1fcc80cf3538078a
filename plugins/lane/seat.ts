// SPDX-License-Identifier: MIT

import type { Seat as AnswererSeat, EventChannel } from '../../core/platform/index.ts';
import type { GuestView } from '../../core/space/views.ts';
import { type LaneMessage, LaneWord, Owner, SeatWord } from './shared.ts';

/** Tries for a seat before the thread goes to sleep for it. The lane has one for microseconds, unless it lost its CPU. */
const TRIES = 1000;
/** Milliseconds between two tries then. */
const PAUSE = 1;

/** What a seat needs of its lane. */
export interface SeatTerms {
  readonly channel: EventChannel;
  /** Words of the lane as a whole. */
  readonly lane: Int32Array;
  readonly send: (message: LaneMessage) => void;
  /** Wakes the lane. */
  readonly ring: () => void;
  readonly left: () => void;
  /** Does what writes that the lane answered have left. */
  readonly leftWork: () => void;
}

/**
 * The control thread's side of a guest that the lane serves, and the channel that the guest's worker is given: an event
 * reaches the worker only with the seat, and the worker's `unmask` gives the seat back.
 */
export class Seat implements AnswererSeat {
  readonly port: number;
  /** {@link SeatWord}s, shared with the lane. */
  readonly memory = new SharedArrayBuffer(4 * SeatWord.words);
  readonly #terms: SeatTerms;
  readonly #words = new Int32Array(this.memory);
  #left = false;
  #served = 0;

  constructor(terms: SeatTerms) {
    this.port = terms.channel.port;
    this.#terms = terms;
  }

  notify(): void {
    this.#terms.channel.notify();
  }

  /** Gives the seat back to the lane; what it leaves undone because it sleeps is done here. */
  unmask(): void {
    if (this.#left) return;
    Atomics.store(this.#words, SeatWord.owner, Owner.nobody);
    Atomics.notify(this.#words, SeatWord.owner);
    if (Atomics.load(this.#terms.lane, LaneWord.awake) === 1) return;
    // The word stays: the lane looks for more than a request when it is set.
    if (Atomics.load(this.#words, SeatWord.missed) === 1) this.#terms.ring();
    else if (Atomics.exchange(this.#words, SeatWord.owed, 0) === 1) this.#terms.channel.unmask();
  }

  /** An event that came before the lane knew the seat: the lane looks, and ends the delivery. */
  missed(): void {
    Atomics.store(this.#words, SeatWord.owed, 1);
    Atomics.store(this.#words, SeatWord.missed, 1);
    this.#terms.ring();
  }

  /** Whether the lane has answered requests since this was asked last. */
  hasServed(): boolean {
    const served = Atomics.load(this.#words, SeatWord.served);
    const more = served !== this.#served;
    this.#served = served;
    return more;
  }

  /** While the guest's answer to an error report is awaited every event goes to the worker. */
  awaitsAnswer(state: 'yes' | 'no'): void {
    Atomics.store(this.#words, SeatWord.awaits, state === 'yes' ? 1 : 0);
  }

  /** Does what the lane has left to be done. */
  catchUp(): void {
    this.hold(this.#terms.leftWork);
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
      this.#terms.send({ what: 'view', port: this.port, view });
      Atomics.add(this.#words, SeatWord.version, 1);
    });
  }

  /** After it returns the lane never looks at the page again, nor at a device. The channel stays as it is. */
  leave(): void {
    if (this.#left) return;
    this.#take();
    try {
      this.#terms.leftWork();
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

  /** Has the seat when it returns. @returns whether it has to be given back: the control thread may have had it before */
  #take(): boolean {
    for (let tries = 1; ; tries++) {
      const owner = Atomics.compareExchange(this.#words, SeatWord.owner, Owner.nobody, Owner.control);
      if (owner !== Owner.lane) return owner === Owner.nobody;
      // Nobody gives back what a lane that died has: waiting for it would never end.
      if (Atomics.load(this.#terms.lane, LaneWord.ended) === 1) {
        Atomics.store(this.#words, SeatWord.owner, Owner.control);
        return true;
      }
      if (tries > TRIES) Atomics.wait(this.#words, SeatWord.owner, Owner.lane, PAUSE);
    }
  }
}

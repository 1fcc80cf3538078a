// SPDX-License-Identifier: MIT

import type { EventChannel, PageReference } from '../platform/memory.ts';
import type { LaneReport } from './lane.ts';
import { LaneGuest, type LaneHardware, Look } from './lane-guest.ts';
import { Seat } from './seat.ts';
import { type DeviceView, type LaneMessage, LaneWord, Owner, SeatWord } from './shared.ts';

const absent = (): never => {
  throw new Error('there is no hardware behind a rehearsal');
};

/** Hardware is left to the control thread, which is to be rehearsed. */
const hardware: LaneHardware = {
  read: absent,
  write: absent,
  page: (reference) => (typeof reference === 'bigint' ? absent() : reference),
};

const withoutHardware = ({ page: _, ...view }: DeviceView): DeviceView => ({ ...view, file: -1 });

const nothing: LaneReport = { guests: 0, urgent: false, watchedMs: 0, wakeMs: 0, found: 0, inVain: 0, wakes: 0 };

interface Served {
  readonly guest: LaneGuest;
  readonly seat: Seat;
  readonly channel: EventChannel;
}

/**
 * A lane without a thread, for one guest: what a lane does is done by the control thread between two of its own turns, with
 * the lane's own code. The control thread then gets what it gets from a lane, hand-overs and work that was left, and nobody
 * else has heard of that guest.
 */
export class LaneByHand {
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * LaneWord.words));
  #served: Served | undefined;
  /** Requests that were handed over so far. */
  handedOver = 0;

  /** As `Lane.seat`. */
  seat(channel: EventChannel, page: PageReference, leftWork: () => void): Seat {
    const seat = new Seat({
      channel,
      lane: this.#words,
      send: (message) => this.#obey(message),
      ring: () => this.settle(),
      left: () => {
        this.#served = undefined;
      },
      leftWork,
    });
    const guest = new LaneGuest(channel.port, hardware.page(page), seat.memory, hardware);
    this.#served = { guest, seat, channel };
    return seat;
  }

  report(): LaneReport {
    return nothing;
  }

  /** An event. @param listener told when the control thread has the seat, as after a hand-over */
  heard(listener: () => void): void {
    const served = this.#served;
    if (served === undefined) return;
    const { guest, channel } = served;
    Atomics.store(guest.words, SeatWord.owed, 1);
    // Mostly awake, as a lane is that watches while its request is worked on: then it does the unmask.
    const awake = this.handedOver % 4 === 0 ? 0 : 1;
    Atomics.store(this.#words, LaneWord.awake, awake);
    const look = guest.look(() => undefined);
    if (look === Look.answered) channel.notify();
    else if (look === Look.handedOver || (look === Look.nothing && this.#handsOverNothing(guest))) {
      this.handedOver++;
      listener();
    }
    this.settle();
  }

  /** An event without a request: one that came with a request that was answered already, or one for the control thread. */
  #handsOverNothing(guest: LaneGuest): boolean {
    const expected = guest.servedSinceEmpty > 0;
    guest.servedSinceEmpty = 0;
    if (expected || !guest.own()) return false;
    guest.handOver();
    return true;
  }

  /** What a lane does before it sleeps: the unmask that is owed, unless the control thread still has the seat. */
  settle(): void {
    const served = this.#served;
    if (served === undefined) return;
    const { guest, seat, channel } = served;
    if (Atomics.load(guest.words, SeatWord.owner) !== Owner.nobody) return;
    if (Atomics.exchange(guest.words, SeatWord.owed, 0) === 1) channel.unmask();
    if (guest.leavesWork()) seat.catchUp();
  }

  #obey(message: LaneMessage): void {
    if (message.what !== 'view') return;
    const { view } = message;
    const devices = view.devices.map((device) => (device === null ? null : withoutHardware(device)));
    this.#served?.guest.show({ ...view, devices });
  }
}

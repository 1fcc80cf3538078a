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
  readonly channel: EventChannel;
}

/**
 * A lane without a thread, for one guest: what a lane does is done by the control thread between two of its own turns, with
 * the lane's own code. The control thread then gets what it gets from a lane, hand-overs and work that was left, and nobody
 * else has heard of that guest.
 */
export class RehearsalLane {
  readonly #words = new Int32Array(new SharedArrayBuffer(4 * LaneWord.words));
  #served: Served | undefined;
  #told = 0;

  constructor() {
    // What was thrown while a seat was looked at has left it with the lane, and there is no thread to wait for.
    Atomics.store(this.#words, LaneWord.ended, 1);
  }

  /** As `Lane.seat`. */
  seat(channel: EventChannel, page: PageReference, leftWork: () => void): Seat {
    const seat = new Seat({
      channel,
      lane: this.#words,
      send: (message) => this.#obey(message),
      // It is only rung for events that a lane's thread has missed.
      ring: () => undefined,
      left: () => {
        this.#served = undefined;
      },
      leftWork,
    });
    const guest = new LaneGuest(channel.port, hardware.page(page), seat.memory, hardware);
    this.#served = { guest, channel };
    return seat;
  }

  report(): LaneReport {
    return nothing;
  }

  /**
   * An event of the guest.
   *
   * @returns `answered`: the guest is to be told; `handed over`: the control thread has the seat, and is to be told by
   * {@link tell}
   */
  hear(): 'answered' | 'handed over' | 'nothing' {
    const look = this.#served?.guest.look(() => undefined);
    if (look === Look.handedOver) return 'handed over';
    return look === Look.answered ? 'answered' : 'nothing';
  }

  /** An event at the control thread's end, as a lane tells it. @param listener what the control thread does then */
  tell(listener: () => void): void {
    const served = this.#served;
    if (served === undefined) return;
    const { guest } = served;
    Atomics.store(guest.words, SeatWord.owed, 1);
    // Mostly awake, as a lane is that watches while its request is worked on: then it does the unmask.
    Atomics.store(this.#words, LaneWord.awake, this.#told++ % 4 === 0 ? 0 : 1);
    // An event without a request is the control thread's too.
    if (guest.own()) guest.handOver();
    listener();
    this.settle();
  }

  /** Ends the delivery that is owed, unless the control thread still has the seat. */
  settle(): void {
    const served = this.#served;
    if (served === undefined) return;
    const { guest, channel } = served;
    if (Atomics.load(guest.words, SeatWord.owner) !== Owner.nobody) return;
    if (Atomics.exchange(guest.words, SeatWord.owed, 0) === 1) channel.unmask();
  }

  #obey(message: LaneMessage): void {
    if (message.what !== 'view') return;
    const { view } = message;
    const devices = view.devices.map((device) => (device === null ? null : withoutHardware(device)));
    this.#served?.guest.show({ ...view, devices });
  }
}

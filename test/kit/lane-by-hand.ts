// SPDX-License-Identifier: MIT

import type { EventChannel, Platform, TakeRefused } from '../../core/platform/index.ts';
import { Page } from '../../core/ring/layout.ts';
import { Request } from '../../core/ring/request.ts';
import { Outcome } from '../../core/space/outcome.ts';
import { type Hardware, LaneDevice } from '../../plugins/lane/lane-device.ts';
import { Refusals } from '../../plugins/lane/refusals.ts';
import { Seat } from '../../plugins/lane/seat.ts';
import { type LaneMessage, type LaneView, LaneWord, Owner, SeatWord } from '../../plugins/lane/thread-protocol.ts';
import type { EmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';

const FILE = 9;
const NO_HARDWARE: Hardware = {
  read: () => {
    throw new Error('there is no file to read');
  },
  write: () => {
    throw new Error('there is no file to write');
  },
};

/**
 * A lane without a thread for one guest of an embedded host: a test does the accesses that the lane would do, from the view
 * that it was shown last. Requests of the guest itself go to the control thread, together with the page, as after a
 * hand-over.
 *
 * @param hardware of the device at slot 0; missing: it has no file, so the lane leaves it alone
 */
export const laneByHand = (hardware?: Hardware) => {
  const words = new Int32Array(new SharedArrayBuffer(4 * LaneWord.words));
  let seat: Seat | undefined;
  let seatWords = new Int32Array(new SharedArrayBuffer(4 * SeatWord.words));
  let view: LaneView | undefined;
  const send = (message: LaneMessage): void => {
    if (message.what === 'view') view = message.view;
  };
  const take = (channel: EventChannel, _page: unknown, leftWork: (refused: TakeRefused) => void): Seat => {
    seat = new Seat({ channel, lane: words, send, ring: () => undefined, left: () => undefined, leftWork });
    seatWords = new Int32Array(seat.memory);
    return seat;
  };
  const does = (cmd: 0 | 1, offset: number, size: 1 | 2 | 4, value: number): readonly [number, number] => {
    const owner = Atomics.compareExchange(seatWords, SeatWord.owner, Owner.nobody, Owner.lane);
    if (owner !== Owner.nobody) throw new Error('the control thread has the page');
    try {
      const index = view?.addresses.indexOf(0) ?? -1;
      const device = view?.devices[index];
      if (view === undefined || !device) return [Outcome.needsCode, 0];
      const page = new Int32Array(Page.bytes >> 2);
      page[Page.cmd >> 2] = cmd;
      page[Page.offset >> 2] = offset;
      page[Page.size >> 2] = size;
      page[Page.value >> 2] = value;
      const request = new Request();
      request.copy(page);
      const lane = new LaneDevice({ ...device, file: hardware === undefined ? -1 : FILE }, hardware ?? NO_HARDWARE);
      return [lane.access(request, 0, new Refusals(view.refusals)), request.value];
    } finally {
      Atomics.store(seatWords, SeatWord.owner, Owner.nobody);
    }
  };
  return {
    /** For the host: the embedded platform with this lane. */
    between: (platform: EmbeddedPlatform): Platform => ({
      ...platform,
      grants: {
        map: (domain, reference) => {
          const page = platform.grants.map(domain, reference);
          return { memory: page.memory, reference: page.memory as SharedArrayBuffer, unmap: () => page.unmap() };
        },
      },
      events: {
        bindInterdomain: (domain, port, listener) =>
          platform.events.bindInterdomain(domain, port, () => {
            Atomics.store(seatWords, SeatWord.owed, 1);
            Atomics.store(seatWords, SeatWord.owner, Owner.control);
            listener();
          }),
      },
      answerer: { seat: take },
    }),
    /** Whether the lane has a view of the device at slot 0. */
    get seesDevice(): boolean {
      return Boolean(view?.devices[view.addresses.indexOf(0)]);
    },
    /** @returns a status, or `Outcome.needsCode`, and the value */
    read: (offset: number, size: 1 | 2 | 4) => does(0, offset, size, 0),
    /** @returns a status, or `Outcome.needsCode` */
    write: (offset: number, size: 1 | 2 | 4, value: number) => does(1, offset, size, value)[0],
    /** The lane falls asleep: the control thread does what it has left. */
    sleep: () => seat?.catchUp(),
  };
};

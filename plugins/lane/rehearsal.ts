// SPDX-License-Identifier: MIT

import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Command, Flag, Page } from '../../core/ring/layout.ts';
import type { DeviceView } from '../../core/space/views.ts';
import type { Bell } from '../kinds/bell.ts';
import { USUAL_LOOKS_PER_SYNC } from './lane-clock.ts';
import type { LaneLoop } from './lane-loop.ts';
import { Refusals } from './refusals.ts';
import { type LaneMessage, Owner, SeatWord, sharedNow } from './thread-protocol.ts';

/** Parts of a rehearsal. Each runs first by a clock of its own, then by that of the host. */
const PARTS = 4;
/** Requests of a part by its own clock: enough for the engine to compile what it runs over and over. */
const PLAYED_REQUESTS = 3000;
/** Requests of a part by the clock of the host. */
const TIMED_REQUESTS = 100;
/** Requests of a burst. */
const BURST = 100;
/** What each look at its own clock adds, in milliseconds. */
const TICK_MS = 0.001;
/** One look in so many is as late as if the lane had lost its processor: by so many milliseconds. */
const STALL_EVERY = 300;
const STALL_MS = 10;
/** Bytes of config space of the device, which is not there. */
const SIZE = 36;
/** Its dwords, one for each thing that a table can say of one; of the last of `count` the table says nothing. */
const Dword = {
  constant: 0,
  hardware: 1,
  own: 2,
  twofold: 3,
  gated: 4,
  fixed: 5,
  partly: 6,
  refused: 7,
  count: 9,
} as const;

/** Where the base address register of that device points. */
const PLACE = 0xfeb00000;
/** Bits of its register that reaches hardware in part: some of each byte. */
const PART = 0x0f7f3f01;
/** What the register has that refuses every change: some of what is written. */
const WORD = 0x0001;
/** What is written. */
const values = [0, -1, 1, 3, 0x100, 0x101, PLACE | 0, 0x12345678];

const dwords = (values: Readonly<Record<number, number>>): Int32Array => {
  const array = new Int32Array(new SharedArrayBuffer(SIZE));
  for (const [at, value] of Object.entries(values)) array[Number(at)] = value;
  return array;
};

const shown = { [Dword.constant]: -1, [Dword.own]: -1, [Dword.twofold]: -1, [Dword.gated]: -1, [Dword.fixed]: -1 };

/** @param file that can be read and written; -1: there is none, and hardware is left to the control thread */
const rehearsalDevice = (file: number): DeviceView => {
  const page = new SharedArrayBuffer(Page.bytes);
  // All ones where the file is asked.
  const config = new Int32Array(page);
  config[Dword.count - 1] = -1;
  config[Dword.twofold] = PLACE;
  config[Dword.refused] = WORD;
  const place = { base: 0, mask: -1, reach: -1, shift: 0, size: 4 } as const;
  const word = { base: 0, mask: 0xffff, reach: 0xffff, shift: 0, size: 2 } as const;
  return {
    size: SIZE,
    shadowed: dwords(shown),
    shadow: dwords({ [Dword.constant]: 0x1234, [Dword.gated]: 1 }),
    answered: dwords(shown),
    reads: new Uint32Array(SIZE),
    file,
    page,
    through: dwords({ [Dword.hardware]: -1, [Dword.partly]: PART }),
    own: dwords({ [Dword.own]: -1 }),
    reserved: dwords({ [Dword.partly]: ~PART, [Dword.refused]: ~word.mask }),
    coded: dwords({ [Dword.twofold]: -1, [Dword.gated]: -1, [Dword.refused]: word.mask }),
    described: Array.from({ length: Dword.count }, (_, at) => {
      const offset = at << 2;
      if (at === Dword.twofold) {
        return { ...place, offset, writes: { kind: 'twofold', first: 0, second: 1, chosen: 2, fixed: 3 } };
      }
      if (at === Dword.refused) return { ...word, offset, writes: { kind: 'refused', why: '' } };
      if (at !== Dword.gated) return null;
      const words = { own: 4, open: 5, closing: 6 };
      return {
        ...place,
        offset,
        writes: { kind: 'gated', ...words, free: 0xff00, gate: 1, blockers: 4, through: 2, real: 2 },
      };
    }),
    behind: new Uint8Array(Dword.count),
    words: Uint32Array.of(PLACE, 0xffffff00, 0, 0xff, 1, 1, 0),
    writes: new Uint32Array(SIZE),
  };
};

/** What of a lane's surroundings differs between a rehearsal and the time with guests. */
export interface Surroundings {
  /** Milliseconds; undefined: those of the host. */
  readonly clock: (() => number) | undefined;
  /** Messages of the control thread. */
  readonly inbox: MessagePort;
}

/** What a lane is rehearsed with: itself and its bell. */
export interface Rehearsal {
  readonly loop: LaneLoop;
  readonly bell: Bell;
  /** Tells the lane that there is a message. */
  readonly announce: () => void;
  /** Has the lane use another clock and another inbox. */
  readonly surround: (other: Surroundings) => void;
}

/** Numbers that look random and are the same in each rehearsal. @returns a whole number from 0, below `sides` */
const dice = (seed: number): ((sides: number) => number) => {
  let state = seed;
  return (sides) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % sides;
  };
};

/**
 * Has the lane serve a guest that is not there, in its own loop and through the platform's own calls. The first thing that
 * a guest does is a scan, hundreds of requests long. By then the engine should have compiled the lane's code, for the kinds
 * of numbers and turns that guests bring: so this guest brings all of them.
 *
 * The guest asks when the lane looks at the clock, which the lane does at every look here. That clock goes on by the same
 * time at each look, so a rehearsal has the same requests however busy the host is. What the lane tells the control thread
 * meanwhile names a port without a seat, which that thread leaves alone.
 */
export const rehearse = ({ loop, bell, announce, surround }: Rehearsal): void => {
  const { port, file, page } = bell.rehearsal;
  const { port1, port2: inbox } = new MessageChannel();
  const words = new Int32Array(bell.hardware.page(page));
  const seat = new SharedArrayBuffer(4 * SeatWord.words);
  const seatWords = new Int32Array(seat);
  const { memory: refusals } = new Refusals();
  const view = {
    addresses: Int32Array.of(0),
    devices: [rehearsalDevice(file)],
    requests: new Float64Array(new SharedArrayBuffer(8 * 16)),
    statuses: new Float64Array(new SharedArrayBuffer(8 * 16)),
    refusals,
  };
  const say = (message: LaneMessage): void => {
    port1.postMessage(message);
    announce();
  };
  const roll = dice(1);
  let asked = 0;
  const put = (offset: number, value: number): void => {
    words[offset >> 2] = value;
  };
  const ask = (): void => {
    asked++;
    put(Page.cmd, roll(100) === 0 ? Command.enableMsix : roll(3) === 0 ? Command.confWrite : Command.confRead);
    // Now and then a device that is not there, as most are in a scan.
    put(Page.devfn, roll(4) === 0 ? 8 : 0);
    put(Page.offset, (roll(3) === 0 ? (roll(2) === 0 ? Dword.hardware : Dword.partly) : roll(Dword.count)) << 2);
    put(Page.size, [4, 4, 4, 2, 1][roll(5)] as number);
    put(Page.value, values[roll(values.length)] as number);
    Atomics.or(words, Page.flags >> 2, Flag.frontActive);
  };
  /** What the control thread does with a request that was handed over: answers it and gives the seat back. */
  const answerElsewhere = (): void => {
    Atomics.and(words, Page.flags >> 2, ~Flag.frontActive);
    Atomics.store(seatWords, SeatWord.owner, Owner.nobody);
  };
  let time = 0;
  let left = 0;
  let pause = 0;
  const step = (): void => {
    if (pause-- > 0) return;
    pause = 0;
    if (Atomics.load(seatWords, SeatWord.owner) === Owner.control) {
      answerElsewhere();
      return;
    }
    if (left === 0 || (Atomics.load(words, Page.flags >> 2) & Flag.frontActive) !== 0) return;
    // Now and then the guest takes longer than usual, and now and then so long that the lane has to look for events.
    pause = roll(4) === 0 ? roll(10) : 0;
    if (roll(STALL_EVERY) === 0) time += STALL_MS;
    left--;
    ask();
  };
  const played: Surroundings = {
    clock: () => {
      step();
      time += TICK_MS;
      return time;
    },
    inbox,
  };
  const timed: Surroundings = {
    clock: () => {
      step();
      return sharedNow();
    },
    inbox,
  };
  const bursts = (requests: number): void => {
    for (const until = asked + requests; asked < until; ) {
      left = BURST;
      ask();
      bell.ports[0] = port;
      // Sometimes a newer view is announced that the lane does not have yet, so it hands the request over. Sometimes the
      // wake-up brings no event, and the lane has to find the request.
      const renewed = roll(20) === 0;
      if (renewed) Atomics.add(seatWords, SeatWord.version, 1);
      loop.wake(roll(20) === 0 ? 0 : 1);
      if (renewed) say({ what: 'view', port, view });
      new Refusals(refusals).take(() => undefined);
      answerElsewhere();
    }
  };
  surround(timed);
  say({ what: 'seat', port, page, words: seat, share: 1 });
  say({ what: 'view', port, view });
  Atomics.store(seatWords, SeatWord.version, 1);
  for (let part = 0; part < PARTS; part++) {
    surround(played);
    loop.clock.looksPerSync = 1;
    bursts(PLAYED_REQUESTS);
    surround(timed);
    loop.clock.looksPerSync = USUAL_LOOKS_PER_SYNC;
    bursts(TIMED_REQUESTS);
  }
  say({ what: 'leave', port });
  loop.wake(0);
  inbox.close();
};

// SPDX-License-Identifier: MIT

import { Command, Flag, Page } from '../ring/layout.ts';
import type { Bell, LaneLoop } from './loop.ts';
import { Refusals } from './refusals.ts';
import { type DeviceView, type LaneMessage, Owner, SeatWord } from './shared.ts';

/** Enough for the engine to compile what it runs over and over. */
const ROUNDS = 300;
/** Requests of a round that are found by looking. */
const BURST = 24;
const LONG = 3000;
/** Bytes of the config space of the device that is not there. */
const SIZE = 32;
/** Its dwords: constants, hardware, the guest's own, one of two values, a gate, what nobody may write. */
const Dword = { constant: 0, hardware: 1, own: 2, twofold: 3, gated: 4, fixed: 5, count: 8 } as const;

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
  new Int32Array(page)[Dword.count - 1] = -1;
  const place = { mask: -1, reach: -1, shift: 0, size: 4 } as const;
  return {
    size: SIZE,
    shadowed: dwords(shown),
    shadow: dwords({ [Dword.constant]: 0x1234, [Dword.gated]: 1 }),
    answered: dwords(shown),
    reads: new Uint32Array(SIZE),
    file,
    page,
    writes: {
      writable: dwords({ [Dword.hardware]: -1 }),
      ones: dwords({}),
      own: dwords({ [Dword.own]: -1 }),
      reserved: dwords({}),
      coded: dwords({ [Dword.twofold]: -1, [Dword.gated]: -1 }),
      quiet: Array.from({ length: Dword.count }, (_, at) => {
        const offset = at << 2;
        if (at === Dword.twofold) {
          return { ...place, offset, writes: { kind: 'twofold', first: 0, second: 1, chosen: 2, fixed: 3 } };
        }
        if (at !== Dword.gated) return null;
        const words = { own: 4, open: 5, closing: 6 };
        return { ...place, offset, writes: { kind: 'gated', ...words, free: 0xff00, gate: 1, blockers: 4 } };
      }),
      behind: new Uint8Array(Dword.count),
      words: Uint32Array.of(0, 0xffffff00, 0, 0xff, 1, 1, 0),
      counts: new Uint32Array(SIZE),
    },
  };
};

/** What a lane is rehearsed with: itself, its bell, and its clock, in whose pauses the guest asks. */
export interface Rehearsal {
  readonly loop: LaneLoop;
  readonly bell: Bell;
  /** Has `step` called whenever the lane looks at the clock; undefined: no more. */
  readonly whenever: (step: (() => void) | undefined) => void;
}

/**
 * Has the lane serve a guest that is not there: in its own loop, through the platform's own calls. A scan is the first
 * thing that a guest does, hundreds of requests long. It should not find code that the engine still interprets, nor code
 * that was compiled for something else, so what is rehearsed takes every turn that guests take.
 */
export const warm = ({ loop, bell, whenever }: Rehearsal): void => {
  const { port, file, page } = bell.rehearsal;
  const words = new Int32Array(bell.hardware.page(page));
  const seat = new SharedArrayBuffer(4 * SeatWord.words);
  const seatWords = new Int32Array(seat);
  const requests = new Float64Array(new SharedArrayBuffer(8 * 16));
  const statuses = new Float64Array(new SharedArrayBuffer(8 * 16));
  const { memory: refusals } = new Refusals();
  const addresses = Int32Array.of(0);
  // Cloned, as what comes from the control thread: clones and literals are of different shapes to the engine.
  const obey = (message: LaneMessage): void => loop.obey(structuredClone(message));
  obey({ what: 'seat', port, page, words: seat });
  const view = { addresses, devices: [rehearsalDevice(file)], requests, statuses, refusals };
  obey({ what: 'view', port, view });
  Atomics.store(seatWords, SeatWord.version, 1);
  let asked = 0;
  const ask = (): void => {
    asked++;
    const at = asked % Dword.count;
    const put = (offset: number, value: number): void => {
      words[offset >> 2] = value;
    };
    put(Page.cmd, asked % 40 === 0 ? Command.enableMsix : asked % 3 === 0 ? Command.confWrite : Command.confRead);
    // Now and then a device that is not there, more often than not in a scan.
    put(Page.devfn, asked % 5 === 0 ? 8 : 0);
    put(Page.offset, at << 2);
    put(Page.size, asked % 7 === 0 ? 1 : asked % 11 === 0 ? 2 : 4);
    put(Page.value, at === Dword.twofold ? (asked % 2 === 0 ? -1 : 0) : asked % 4 === 0 ? 0x100 : 0x101);
    Atomics.or(words, Page.flags >> 2, Flag.frontActive);
  };
  let left = 0;
  let pause = 0;
  const step = (): void => {
    if (Atomics.load(seatWords, SeatWord.owner) === Owner.control) {
      // As the control thread does.
      Atomics.and(words, Page.flags >> 2, ~Flag.frontActive);
      Atomics.store(seatWords, SeatWord.owner, Owner.nobody);
      return;
    }
    if (left === 0 || (Atomics.load(words, Page.flags >> 2) & Flag.frontActive) !== 0 || pause-- > 0) return;
    // Now and then longer than guests usually take.
    pause = left % 10 === 0 ? 8 : 0;
    left--;
    ask();
  };
  whenever(step);
  for (let round = 0; round < ROUNDS; round++) {
    // A few guests ask for so long that the lane has to hear others meanwhile.
    left = round % 100 === 50 ? LONG : BURST;
    ask();
    bell.ports[0] = port;
    // Of some events nobody knows whose they are, and some come with a newer view than the lane has.
    if (round % 20 === 10) Atomics.add(seatWords, SeatWord.version, 1);
    loop.wake(round % 20 === 5 ? 0 : 1);
    step();
    if (round % 20 === 10) obey({ what: 'view', port, view });
    new Refusals(refusals).take(() => undefined);
    Atomics.and(words, Page.flags >> 2, ~Flag.frontActive);
    Atomics.store(seatWords, SeatWord.owner, Owner.nobody);
  }
  whenever(undefined);
  loop.obey({ what: 'leave', port });
};

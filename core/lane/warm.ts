// SPDX-License-Identifier: MIT

import { Flag, Page } from '../ring/layout.ts';
import { LaneGuest, Look } from './lane-guest.ts';
import { SeatWord } from './shared.ts';

/** Enough for the engine to compile what it runs over and over. */
const ROUNDS = 5000;

/**
 * Answers requests of a guest that is not there. A scan is the first thing a guest does, hundreds of requests long; it
 * should not find code that the engine still interprets.
 */
export const warm = (): void => {
  const page = new SharedArrayBuffer(Page.bytes);
  const words = new Int32Array(page);
  const guest = new LaneGuest(1, page, new SharedArrayBuffer(4 * SeatWord.words), () => 0);
  const dword = (value: number): Int32Array => Int32Array.of(value);
  guest.show({
    addresses: Int32Array.of(0, 8),
    devices: [
      {
        size: 4,
        shadowed: dword(0xffff),
        shadow: dword(0x1234),
        answered: dword(0xffff),
        reads: new Uint32Array(4),
        file: 0,
      },
      null,
    ],
    requests: new Float64Array(16),
    statuses: new Float64Array(16),
  });
  Atomics.add(guest.words, SeatWord.version, 1);
  const nothing = (): void => undefined;
  for (let round = 0; round < ROUNDS; round++) {
    // A device, one that is not there, and looks in vain between them.
    words[Page.devfn >> 2] = (round & 1) << 6;
    words[Page.size >> 2] = 1 << (round % 3);
    Atomics.or(words, Page.flags >> 2, Flag.frontActive);
    if (guest.look(nothing) !== Look.answered) throw new Error('the lane does not answer');
    guest.look(nothing);
    guest.look(nothing);
  }
};

// SPDX-License-Identifier: MIT

import { parentPort, workerData } from 'node:worker_threads';
import { SharedEvents } from '../../kit/threads/shared-bell.ts';
import { ThreadGuest } from '../../kit/threads/thread-guest.ts';

interface GuestStart {
  readonly page: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly port: number;
  /** Turns, of one to three requests each. */
  readonly turns: number;
}

/** What the guest has done, and what it has seen. */
export interface GuestReport {
  /** Answers that were wrong. */
  readonly wrong: readonly string[];
  readonly reads: number;
  readonly writes: number;
  /** Requests that a lane cannot answer. */
  readonly needingCode: number;
  /** What it wrote to the id register, which refuses all of it. */
  readonly refused: readonly number[];
}

const ID = 0x10d38086;
const MASTER = 0x0004;

const { page, events, port, turns } = workerData as GuestStart;
const guest = new ThreadGuest(page, new SharedEvents(events), port, 'sleeping');
const wrong: string[] = [];
const refused: number[] = [];
let reads = 0;
let writes = 0;
let needingCode = 0;
let master = 0;

const read = (devfn: number, offset: number, size: number): number => {
  reads++;
  return guest.request(0, devfn, offset, size);
};
const write = (offset: number, size: number, value: number): number => {
  writes++;
  return guest.request(1, 0, offset, size, value);
};
const command = (turn: number, value: number): void => {
  const written = write(4, 2, value);
  const seen = read(0, 4, 2);
  if (written !== 0 || seen !== 0 || guest.value !== value) {
    wrong.push(`${turn}: command ${written} ${seen} ${guest.value} instead of ${value}`);
  }
};

// In a fixed mix: what a lane answers (the id, nobody at 0a.0, PARITY in the command register, a write that is refused) and
// what it hands over (bus mastering).
for (let turn = 0; turn < turns; turn++) {
  const kind = (turn * 7) % 13;
  if (kind < 8) {
    const err = read(0, 0, 4);
    if (err !== 0 || guest.value !== ID) wrong.push(`${turn}: id ${err} ${guest.value}`);
  } else if (kind === 8) {
    const err = read(0x50, 0, 4);
    if (err !== -1) wrong.push(`${turn}: nobody answers at 0a.0, but ${err}`);
  } else if (kind === 9) {
    master ^= MASTER;
    needingCode++;
    command(turn, 0x0100 | master);
  } else if (kind === 10) {
    const value = ID ^ (1 << (turn % 3));
    // Several in a row: what a lane that has not told of them yet counts together.
    for (let times = 0; times < 3; times++) {
      refused.push(value);
      const err = write(0, 4, value);
      if (err !== 0) wrong.push(`${turn}: a refused write ${err}`);
    }
  } else command(turn, (turn % 2 === 0 ? 0x0140 : 0x0100) | master);
}
const report: GuestReport = { wrong, reads, writes, needingCode, refused };
parentPort?.postMessage(report);

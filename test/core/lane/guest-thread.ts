// SPDX-License-Identifier: MIT

import { parentPort, workerData } from 'node:worker_threads';
import { SharedEvents } from '../../kit/threads/shared-bell.ts';
import { ThreadGuest } from '../../kit/threads/thread-guest.ts';

interface GuestStart {
  readonly page: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly port: number;
  readonly requests: number;
}

// Asks for the id, which the lane knows, and writes and reads the command register, which needs code, in a fixed mix.
const { page, events, port, requests } = workerData as GuestStart;
const guest = new ThreadGuest(page, new SharedEvents(events), port, 'sleeping');
const wrong: string[] = [];
for (let i = 0; i < requests; i++) {
  const kind = (i * 7) % 11;
  if (kind < 8) {
    const err = guest.request(0, 0, 0, 4);
    if (err !== 0 || guest.value !== 0x10d38086) wrong.push(`${i}: id ${err} ${guest.value}`);
  } else if (kind === 8) {
    const err = guest.request(0, 0x50, 0, 4);
    if (err !== -1) wrong.push(`${i}: nobody answers at 0a.0, but ${err}`);
  } else {
    const value = i % 2 === 0 ? 0x0140 : 0x0100;
    const written = guest.request(1, 0, 4, 2, value);
    const read = guest.request(0, 0, 4, 2);
    if (written !== 0 || read !== 0 || (guest.value & 0x0140) !== value) {
      wrong.push(`${i}: command ${written} ${read} ${guest.value} instead of ${value}`);
    }
  }
}
parentPort?.postMessage(wrong);

// SPDX-License-Identifier: MIT

import { describe, expect, it, onTestFinished } from 'vitest';
import { Lane } from '../../../plugins/lane/lane.ts';
import { LaneWord, Owner, SeatWord } from '../../../plugins/lane/thread-protocol.ts';

/** A lane whose thread says that it is awake, and then stands still: the host holds it up. */
const heldUp = `
const { workerData, parentPort } = require('node:worker_threads');
const words = new Int32Array(workerData.words);
Atomics.store(words, ${LaneWord.awake}, 1);
parentPort.postMessage('ready');
Atomics.wait(words, ${LaneWord.stop}, 0);
`;

const laneOver = (source: string) => {
  const delivered: number[] = [];
  const terms = {
    bell: new URL('file:///nothing'),
    own: undefined,
    policy: { longest: 0, wakeUps: 0, shortest: 0, patience: 0 },
    ring: () => undefined,
    deliver: (port: number) => void delivered.push(port),
    lost: () => undefined,
    failed: (error: Error) => {
      throw error;
    },
  };
  const lane = new Lane(
    terms,
    new URL(
      `data:text/javascript,${encodeURIComponent(`import { createRequire } from 'node:module'; const require = createRequire('/');${source}`)}`,
    ),
  );
  return { lane, delivered };
};

const channel = (port: number) => ({ port, notify: () => {}, unmask: () => {}, close: () => {} });

describe('a lane that the host holds up', () => {
  it('is stood in for: the control thread looks at the pages of the guests that it has not in its hands', async () => {
    const { lane, delivered } = laneOver(heldUp);
    await lane.ready;
    const seats = [1, 2].map((port) => lane.seat(channel(port), new SharedArrayBuffer(4096), () => {}));
    // The first one is where it hangs.
    const stuck = seats[0];
    if (stuck === undefined) throw new Error('no seat');
    new Int32Array(stuck.memory)[SeatWord.owner] = Owner.lane;
    onTestFinished(() => {
      new Int32Array(stuck.memory)[SeatWord.owner] = Owner.nobody;
      for (const seat of seats) seat.close();
    });
    for (let i = 0; i < 400 && delivered.length < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      // As the ring server does when it has looked.
      if (delivered.length > 0) seats[1]?.unmask();
    }
    expect(new Set(delivered)).toEqual(new Set([2]));
    expect(delivered.length).toBeGreaterThanOrEqual(3);
    // A look in the lane's place does not count as an empty event of the guest.
    expect(seats[1]?.hasServed()).toBe(true);
  });
});

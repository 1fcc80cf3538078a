// SPDX-License-Identifier: MIT

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { LaneStart } from './lane.ts';
import { type Bell, LaneLoop } from './loop.ts';
import { rehearse, type Surroundings } from './rehearsal.ts';
import { type LaneMessage, LaneWord, sharedNow } from './shared.ts';

/** Runs the lane in this thread, until it is told to stop. @param makeBell from what the platform gave the thread */
export const runLane = async <Own>(makeBell: (own: Own) => Bell | Promise<Bell>): Promise<void> => {
  const { words, counts, policy, inbox, own } = workerData as LaneStart<Own>;
  const control = parentPort;
  if (control === null) throw new Error('a lane runs in a thread of its own');
  const bell = await makeBell(own);
  let around: Surroundings = { clock: undefined, inbox };
  const loop = new LaneLoop({
    bell,
    words,
    counts,
    policy,
    inbox: () => receiveMessageOnPort(around.inbox)?.message as LaneMessage | undefined,
    tell: (port) => control.postMessage(port),
    now: () => {
      const now = sharedNow();
      const { clock } = around;
      return clock === undefined ? now : clock();
    },
  });
  rehearse({
    loop,
    bell,
    announce: () => Atomics.add(new Int32Array(words), LaneWord.inbox, 1),
    surround: (other) => {
      around = other;
    },
  });
  around = { clock: undefined, inbox };
  loop.forget();
  control.postMessage('ready');
  try {
    // What the control thread has said meanwhile, and events that were heard and left to it.
    loop.wake(0);
    loop.run();
  } finally {
    Atomics.store(new Int32Array(words), LaneWord.ended, 1);
    // An open port would keep the thread.
    inbox.close();
  }
};

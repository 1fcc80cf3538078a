// SPDX-License-Identifier: MIT

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { LaneStart } from './lane.ts';
import { type Bell, LaneLoop } from './loop.ts';
import { type LaneMessage, LaneWord, sharedNow } from './shared.ts';
import { warm } from './warm.ts';

/** Runs the lane in this thread, until it is told to stop. @param makeBell from what the platform gave the thread */
export const runLane = async <Own>(makeBell: (own: Own) => Bell | Promise<Bell>): Promise<void> => {
  const { words, counts, policy, inbox, own } = workerData as LaneStart<Own>;
  const control = parentPort;
  if (control === null) throw new Error('a lane runs in a thread of its own');
  const bell = await makeBell(own);
  /** What is rehearsed, until the lane serves guests. */
  let step: (() => void) | undefined;
  const loop = new LaneLoop({
    bell,
    words,
    counts,
    policy,
    inbox: () => receiveMessageOnPort(inbox)?.message as LaneMessage | undefined,
    tell: (port) => {
      if (step === undefined) control.postMessage(port);
    },
    now: () => {
      if (step !== undefined) step();
      return sharedNow();
    },
  });
  warm({
    loop,
    bell,
    whenever: (next) => {
      step = next;
    },
  });
  new Float64Array(counts).fill(0);
  control.postMessage('ready');
  try {
    loop.run();
  } finally {
    Atomics.store(new Int32Array(words), LaneWord.ended, 1);
    // An open port would keep the thread.
    inbox.close();
  }
};

// SPDX-License-Identifier: MIT

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { BellModule } from '../kinds/bell.ts';
import type { LaneStart } from './lane.ts';
import { LaneLoop } from './lane-loop.ts';
import { rehearse, type Surroundings } from './rehearsal.ts';
import { type LaneMessage, LaneWord, sharedNow } from './thread-protocol.ts';

/** Runs the lane in this thread, until it is told to stop. */
const runLane = async (): Promise<void> => {
  const { words, counts, policy, inbox, bell: module, own } = workerData as LaneStart;
  const control = parentPort;
  if (control === null) throw new Error('the lane runs in a thread of its own');
  const { makeBell } = (await import(module)) as BellModule;
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
  try {
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
    // During the rehearsal the control thread may have sent messages, and events may have been left to it.
    loop.wake(0);
    loop.run();
  } finally {
    Atomics.store(new Int32Array(words), LaneWord.ended, 1);
    // An open port would keep the thread from its end.
    inbox.close();
    bell.close?.();
  }
};

await runLane();

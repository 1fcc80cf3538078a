// SPDX-License-Identifier: MIT
// The floor: answers every request with a constant, without looking at it. See round-trips.mjs for the agreement.

import { parentPort, workerData } from 'node:worker_threads';
import { built } from '../package-under-test.mjs';

const { Flag, Page } = await built('core/ring/layout.js');

const { page, mode, stop } = workerData;
const words = new Int32Array(page);
const FLAGS = Page.flags >> 2;

const answer = () => {
  words[Page.value >> 2] = 0x12345678;
  words[Page.err >> 2] = 0;
  Atomics.and(words, FLAGS, ~Flag.frontActive);
};

parentPort.postMessage('ready');
while (Atomics.load(words, stop) === 0) {
  if ((Atomics.load(words, FLAGS) & Flag.frontActive) !== 0) {
    answer();
    if (mode === 'wait') Atomics.notify(words, FLAGS);
  } else if (mode === 'wait') {
    Atomics.wait(words, FLAGS, Atomics.load(words, FLAGS) & ~Flag.frontActive, 1000);
  }
}

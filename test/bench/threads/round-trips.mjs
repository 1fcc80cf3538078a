// SPDX-License-Identifier: MIT
// Round trips of config reads through one shared page between this thread and an answerer in another one.
//
// An answerer is a module that is run as a worker thread with `workerData`:
//   page   SharedArrayBuffer, 4096 bytes, laid out as core/ring/layout.ts says; below `Page.used` it is the guest's page
//   mode   'spin': nobody sleeps. 'wait': the asker calls Atomics.notify on the flags word after it has set
//          `Flag.frontActive`, and sleeps in Atomics.wait on that word until it changes
//   stop   index of a word of the page: not 0 means end (it is set before the last notify)
// It posts the message 'ready', then answers: `value` and `err` first, then it clears `Flag.frontActive` atomically and,
// in mode 'wait', calls Atomics.notify on the flags word.

import { Worker } from 'node:worker_threads';
import { built } from '../package-under-test.mjs';

const { Command, Flag, Page } = await built('core/ring/layout.js');

const FLAGS = Page.flags >> 2;
const STOP = 1000;
/** Microseconds are counted in steps of this many nanoseconds, up to 100 ms; longer ones count as that. */
const STEP = 10;
const STEPS = 10_000_000;

/** Counts times; cheaper than keeping a million of them. */
class Histogram {
  #counts = new Uint32Array(STEPS);
  #count = 0;

  add(microseconds) {
    this.#counts[Math.min(STEPS - 1, Math.floor((microseconds * 1000) / STEP))] += 1;
    this.#count += 1;
  }

  quantile(q) {
    let left = Math.max(1, Math.ceil(q * this.#count));
    for (let step = 0; step < STEPS; step++) {
      left -= this.#counts[step];
      if (left <= 0) return (step * STEP) / 1000;
    }
    return Number.NaN;
  }
}

/** p50, p90 and p99 in microseconds, and how many were measured. */
export const percentiles = async (count, roundTrip) => {
  const histogram = new Histogram();
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const pending = roundTrip(i);
    if (pending !== undefined) await pending;
    histogram.add((performance.now() - started) * 1000);
  }
  return { p50: histogram.quantile(0.5), p90: histogram.quantile(0.9), p99: histogram.quantile(0.99), count };
};

/**
 * Starts an answerer.
 *
 * @param script path or URL of the module
 * @param data what it gets beside page, mode and stop
 * @returns `measure(count)` and `close()`
 */
export const startAnswerer = async (script, mode, data = {}) => {
  const page = new SharedArrayBuffer(Page.bytes);
  const words = new Int32Array(page);
  const worker = new Worker(script, { workerData: { ...data, page, mode, stop: STOP } });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const waits = mode === 'wait';
  const roundTrip = (i) => {
    words[Page.cmd >> 2] = Command.confRead;
    words[Page.err >> 2] = -1;
    words[Page.devfn >> 2] = 0;
    words[Page.offset >> 2] = 0xc0 + 4 * (i & 3);
    words[Page.size >> 2] = 4;
    const flags = Atomics.or(words, FLAGS, Flag.frontActive) | Flag.frontActive;
    if (waits) {
      Atomics.notify(words, FLAGS);
      while (Atomics.load(words, FLAGS) === flags) Atomics.wait(words, FLAGS, flags);
    } else while ((Atomics.load(words, FLAGS) & Flag.frontActive) !== 0);
    if (words[Page.err >> 2] !== 0) throw new Error(`answered ${words[Page.err >> 2]}`);
  };
  return {
    measure: (count) => percentiles(count, roundTrip),
    close: async () => {
      Atomics.store(words, STOP, 1);
      // It may sleep; a changed word wakes it, and it looks at the stop word first.
      Atomics.or(words, FLAGS, Flag.frontActive);
      Atomics.notify(words, FLAGS);
      await worker.terminate();
    },
  };
};

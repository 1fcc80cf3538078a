// SPDX-License-Identifier: MIT

import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ChangeEffect } from '../../core/changes.ts';
import { CRASH_EVENT } from '../crash.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import type { LoopOptions } from './loop-section.ts';
import type { Culprit, LoopThreadStart } from './loop-thread.ts';

/** Milliseconds between two beats of the control loop. */
const BEAT_MS = 500;
/** Status of a process that ends because of a defect (EX_SOFTWARE of sysexits.h). */
const EX_SOFTWARE = 70;

/** Sources and the compiled project differ in the ending of their files. */
const threadModule = new URL(`./loop-thread${extname(import.meta.url)}`, import.meta.url);
/** Where the files of pciback lie. */
const home = new URL('../../', import.meta.url).href;

/** What other parts are told. */
export interface LoopOffers {
  /** Milliseconds by which the last beat was late. */
  readonly lagMs: number;
  /** The same, of the worst beat since the start. */
  readonly worstLagMs: number;
}

const nothing: ChangeEffect = { devices: 0, waiting: 0, ms: 0, failures: [] };

/** Files of the loaded plugins from elsewhere; a plugin may have more files, beside and below the one it was loaded from. */
const culpritsOf = (context: PartContext): readonly Culprit[] =>
  context.engine.plugins.loaded
    .filter(({ origin }) => origin.startsWith('/'))
    .map(({ name, origin }) => ({ plugin: name, file: pathToFileURL(origin).href }));

/** Has the control loop beat, and a thread listen to it. */
export const startWatching = (context: PartContext<LoopOptions>): RunningPart => {
  const { options, engine, log } = context;
  const action = options.action ?? (process.env.NOTIFY_SOCKET === undefined ? 'report' : 'end');
  const beats = new Int32Array(new SharedArrayBuffer(4));
  let expected = performance.now() + BEAT_MS;
  let lagMs = 0;
  let worstLagMs = 0;
  const beating = setInterval(() => {
    const now = performance.now();
    lagMs = Math.max(0, now - expected);
    worstLagMs = Math.max(worstLagMs, lagMs);
    expected = now + BEAT_MS;
    Atomics.add(beats, 0, 1);
  }, BEAT_MS).unref();

  const start: LoopThreadStart = {
    beats: beats.buffer as SharedArrayBuffer,
    seconds: options.seconds,
    bytes: options.megabytes * 2 ** 20,
    status: action === 'end' ? EX_SOFTWARE : undefined,
    home,
    culprits: culpritsOf(context),
    event: CRASH_EVENT,
  };
  const thread = new Worker(threadModule, { workerData: start, name: 'loop' });
  thread.on('error', (error) => log.error({ error }, 'nobody watches the control loop any more'));
  thread.unref();
  const deaf = engine.plugins.onChange(() => {
    thread.postMessage(culpritsOf(context));
    return { commit: () => nothing };
  });
  const offers: LoopOffers = {
    get lagMs() {
      return lagMs;
    },
    get worstLagMs() {
      return worstLagMs;
    },
  };
  return {
    health: () => `${action === 'end' ? 'ends the process' : 'reports'} after ${options.seconds} s without a turn`,
    counters: () => ({ 'ms late': Math.round(lagMs), 'ms late at worst': Math.round(worstLagMs) }),
    offers,
    stop: async () => {
      clearInterval(beating);
      deaf();
      await thread.terminate();
    },
  };
};

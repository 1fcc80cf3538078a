// SPDX-License-Identifier: MIT

import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ChangeEffect } from '../../core/changes.ts';
import { describeError } from '../../core/errors/index.ts';
import { CRASH_EVENT } from '../crash.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import type { LoopOptions } from './loop-section.ts';
import type { Culprit, LoopTerms, LoopThreadStart } from './loop-thread.ts';

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

/** A thread that listens to the control loop. */
export interface LoopWatch {
  /** Milliseconds by which the last beat was late, and the worst. */
  readonly lag: Readonly<Record<'last' | 'worst', number>>;
  tell(terms: LoopTerms): void;
  /** One more plugin that may be in whose code the loop is. */
  add(culprit: Culprit): void;
  /** Nobody needs it at the moment; whoever is next takes it, since a thread with its engine costs some 50 ms. */
  leave(): void;
  stop(): Promise<void>;
}

/** Looks for nothing. */
const idle: LoopTerms = {
  seconds: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  status: undefined,
  culprits: [],
  isLoading: false,
};

/** One that was left. */
const left: LoopWatch[] = [];

const startThread = (terms: LoopTerms): LoopWatch => {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const lag = { last: 0, worst: 0 };
  let expected = performance.now() + BEAT_MS;
  const beating = setInterval(() => {
    const now = performance.now();
    lag.last = Math.max(0, now - expected);
    lag.worst = Math.max(lag.worst, lag.last);
    expected = now + BEAT_MS;
    Atomics.add(beats, 0, 1);
  }, BEAT_MS).unref();
  const start: LoopThreadStart = { ...terms, beats: beats.buffer as SharedArrayBuffer, home, event: CRASH_EVENT };
  const thread = new Worker(threadModule, { workerData: start, name: 'loop' });
  thread.on('error', (error) =>
    process.emitWarning(`nobody watches the control loop any more: ${describeError(error)}`),
  );
  thread.unref();
  const watch: LoopWatch = {
    lag,
    tell: (now) => thread.postMessage(now),
    add: (culprit) => thread.postMessage(culprit),
    leave: () => {
      watch.tell(idle);
      Object.assign(lag, { last: 0, worst: 0 });
      left.push(watch);
    },
    stop: async () => {
      clearInterval(beating);
      await thread.terminate();
    },
  };
  return watch;
};

/** Has the control loop beat, and a thread listen to it. */
export const watchLoop = (terms: LoopTerms): LoopWatch => {
  const watch = left.pop();
  watch?.tell(terms);
  return watch ?? startThread(terms);
};

/** Has the control loop of a pciback that serves watched. */
export const startWatching = (context: PartContext<LoopOptions>): RunningPart => {
  const { options, engine } = context;
  const action = options.action ?? (process.env.NOTIFY_SOCKET === undefined ? 'report' : 'end');
  const terms = {
    seconds: options.seconds,
    bytes: options.megabytes * 2 ** 20,
    status: action === 'end' ? EX_SOFTWARE : undefined,
    isLoading: false,
  };
  const watch = watchLoop({ ...terms, culprits: culpritsOf(context) });
  const { lag } = watch;
  const deaf = engine.plugins.onChange(() => {
    watch.tell({ ...terms, culprits: culpritsOf(context) });
    return { commit: () => nothing };
  });
  const offers: LoopOffers = {
    get lagMs() {
      return lag.last;
    },
    get worstLagMs() {
      return lag.worst;
    },
  };
  return {
    health: () => `${action === 'end' ? 'ends the process' : 'reports'} after ${options.seconds} s without a turn`,
    counters: () => ({ 'ms late': Math.round(lag.last), 'ms late at worst': Math.round(lag.worst) }),
    offers,
    stop: async () => {
      deaf();
      await watch.stop();
    },
  };
};

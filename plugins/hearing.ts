// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import type { Platform } from '../core/platform/index.ts';
import { type ReportingAnswerer, reportingAnswerer } from './kinds/answerer.ts';

/** Milliseconds between two looks at what the thread has done. */
const SHORTEST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 50;

/** A thread that is awake for long counts no wake-ups, but then it watches and finds. */
const signsOf = (answerer: ReportingAnswerer): string => {
  const { wakes, found, inVain, watchedMs } = answerer.report();
  return [wakes, found, inVain, watchedMs].join(' ');
};

/**
 * Whether the thread that hears guests runs: it is woken, and has to show that it was.
 *
 * @param patience milliseconds
 * @returns `true` also where there is no such thread, or none that tells: then whoever runs this hears the guests
 */
export const canHear = async (platform: Pick<Platform, 'answerer'>, patience: number): Promise<boolean> => {
  const answerer = reportingAnswerer(platform);
  if (answerer === undefined) return true;
  const before = signsOf(answerer);
  answerer.wake();
  const until = performance.now() + patience;
  for (let next = SHORTEST_PAUSE_MS; signsOf(answerer) === before; next = Math.min(2 * next, LONGEST_PAUSE_MS)) {
    if (performance.now() > until) return false;
    await pause(next, undefined, { ref: false });
  }
  return true;
};

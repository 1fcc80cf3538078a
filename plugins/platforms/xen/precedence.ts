// SPDX-License-Identifier: MIT

import { constants, getPriority, setPriority } from 'node:os';
import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';

const { PRIORITY_ABOVE_NORMAL, PRIORITY_HIGHEST } = constants.priority;

/** Nice values of the calling thread: Linux has one for each thread, and a new thread begins with that of its maker. */
export interface NiceValues {
  get(): number;
  set(value: number): void;
}

const ofThisThread: NiceValues = { get: () => getPriority(), set: (value) => setPriority(value) };

/** Precedence of the control thread. */
export interface Precedence {
  /** The nice value before. */
  readonly usual: number;
  /** Gives the precedence back. Calling it twice is harmless. */
  close(): void;
}

/**
 * Has the calling thread go before other programs: requests that need code wait for it. The engine's own threads, which
 * were there before, stay as they are. Where the host does not allow it, nothing changes.
 */
export const takePrecedence = (log: Logger, nice: NiceValues = ofThisThread): Precedence => {
  const usual = nice.get();
  // It may have been started with more.
  let taken = usual > PRIORITY_ABOVE_NORMAL;
  try {
    if (taken) nice.set(PRIORITY_ABOVE_NORMAL);
  } catch (error) {
    taken = false;
    log.debug({ why: describeError(error) }, 'no precedence over other programs');
  }
  return {
    usual,
    close() {
      // Somebody may have decided otherwise meanwhile.
      if (taken && nice.get() === PRIORITY_ABOVE_NORMAL) nice.set(usual);
      taken = false;
    },
  };
};

/**
 * How an answering thread takes precedence over other programs, and gives it up.
 *
 * @param usual the nice value without precedence. Not that of the thread when it starts: it began with the control thread's
 */
export const hurryFrom =
  (usual: number, nice: NiceValues = ofThisThread) =>
  (pace: 'urgent' | 'usual'): boolean => {
    try {
      nice.set(pace === 'urgent' ? PRIORITY_HIGHEST : usual);
      return true;
    } catch {
      // The host does not allow it. The thread reports that; guests wait as long as other programs do.
      return false;
    }
  };

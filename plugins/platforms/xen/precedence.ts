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

/**
 * Which threads go before other programs of the host. `full`: the control thread a little, an answering thread before all of
 * them. `lane`: an answering thread a little, so that nobody is kept from the only processor.
 */
export type Precedence = 'none' | 'lane' | 'full';

/** Nice values of an answering thread, while guests wait for it and otherwise. */
export interface Pace {
  readonly urgent: number;
  readonly usual: number;
}

/** @param usual of the process, before anybody took precedence @returns `undefined`: it takes none */
export const paceOf = (precedence: Precedence, usual: number): Pace | undefined => {
  if (precedence === 'none') return undefined;
  const most = precedence === 'full' ? PRIORITY_HIGHEST : PRIORITY_ABOVE_NORMAL;
  // It may have been started with more.
  return { urgent: Math.min(most, usual), usual };
};

/** Precedence of the control thread. */
export interface TakenPrecedence {
  /** Gives the precedence back. Calling it twice is harmless. */
  close(): void;
}

/**
 * Has the calling thread go before other programs: requests that need code wait for it. The engine's own threads, which
 * were there before, stay as they are. Where the host does not allow it, nothing changes.
 */
export const takePrecedence = (log: Logger, nice: NiceValues = ofThisThread): TakenPrecedence => {
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
 * @param values not from what the thread has when it starts: it began with the control thread's
 */
export const hurryBetween =
  (values: Pace, nice: NiceValues = ofThisThread) =>
  (pace: 'urgent' | 'usual'): boolean => {
    try {
      nice.set(values[pace]);
      return true;
    } catch {
      // The host does not allow it. The thread reports that; guests wait as long as other programs do.
      return false;
    }
  };

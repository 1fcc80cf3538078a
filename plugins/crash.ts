// SPDX-License-Identifier: MIT

/** An end that nobody asked for, or what leads to one. */
export interface Crash {
  /** `error`: nobody caught it; `loop`: the control loop does not turn; `memory`: the process takes too much. */
  readonly kind: 'error' | 'loop' | 'memory';
  readonly why: string;
  /** Of the code that ran, one line a frame. */
  readonly stack: string;
  /** The plugin whose code ran, where that is known. */
  readonly plugin?: string;
  /** The last lines of the log, by whoever keeps them. */
  log?: readonly string[];
  /** The file of the report, by whoever wrote it. */
  report?: string;
}

/**
 * Event of `process` that tells of a crash. An event, because a debugger that stops the control thread in the middle of a
 * plugin's loop reaches nothing but what is global.
 */
export const CRASH_EVENT = 'pcibackCrash';

const events: NodeJS.EventEmitter = process;

/** Calls `listener` at each crash, in the order of registering. @returns ends that */
export const onCrash = (listener: (crash: Crash) => void): (() => void) => {
  events.on(CRASH_EVENT, listener);
  return () => events.off(CRASH_EVENT, listener);
};

/** Tells of a crash, before anything is let go. */
export const tellCrash = (crash: Crash): void => {
  events.emit(CRASH_EVENT, crash);
};

/** The crash that an error is. */
export const crashOf = (error: unknown): Crash => {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return { kind: 'error', why: error instanceof Error ? error.message : String(error), stack };
};

/** Whether this process is one of pciback alone, which tells of its crashes; a program that has pciback inside does not. */
export const tellsOfCrashes = (): boolean => events.listenerCount(CRASH_EVENT) > 0;

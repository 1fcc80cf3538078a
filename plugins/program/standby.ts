// SPDX-License-Identifier: MIT

import { describeError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import type { LockWait } from './host-lock.ts';

/**
 * Milliseconds between two tries to get the lock of the process that serves: half of it passes on average before its end is
 * noticed. One try costs some microseconds.
 */
const EVERY_MS = 5;

/** What a process that was started to take over tells the one that started it. */
export type StandbyWord =
  | { readonly standby: 'waiting' }
  | { readonly standby: 'serving' }
  | { readonly standby: 'refused'; readonly why: string };

/** Tells the process that started this one, if that listens. */
const tell = (word: StandbyWord): void => {
  if (process.connected) process.send?.(word, undefined, undefined, () => undefined);
};

/** A process that waits until it may serve. */
export interface Standby {
  readonly wait: LockWait;
  /** Whether it was asked to end before it got its turn. */
  readonly isOver: boolean;
  /** It serves now. */
  serving(): void;
  /** It cannot serve. */
  refused(error: unknown): void;
}

/** @param stop resolves when the process is to end */
export const standBy = (stop: Promise<unknown>, log: Logger): Standby => {
  const over = new AbortController();
  let isDecided = false;
  void stop.then(() => {
    if (!isDecided) over.abort();
  });
  return {
    wait: {
      everyMs: EVERY_MS,
      signal: over.signal,
      waiting: () => {
        log.info({ pid: process.pid }, 'standby: waiting for the end of the one that serves');
        tell({ standby: 'waiting' });
      },
      taken: () => {
        isDecided = true;
        log.info({ pid: process.pid }, 'standby: taking over');
      },
    },
    get isOver() {
      return over.signal.aborted;
    },
    serving: () => {
      isDecided = true;
      tell({ standby: 'serving' });
      if (process.connected) process.disconnect();
    },
    refused: (error) => tell({ standby: 'refused', why: describeError(error) }),
  };
};

// SPDX-License-Identifier: MIT

import type { Clock } from '../../core/platform/index.ts';

/** A clock that stands still until the test moves it. */
export interface ManualClock extends Clock {
  /** Moves the time forward and runs, in their order, the timers that become due, including those they start. */
  advance(milliseconds: number): void;
  /** Timers that wait. */
  pending(): number;
}

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Makes a clock at time `start` (milliseconds). */
export const createManualClock = (start = 0): ManualClock => {
  let now = start;
  let order = 0;
  const timers = new Set<Timer>();
  const earliest = (limit: number): Timer | undefined => {
    let found: Timer | undefined;
    for (const timer of timers) {
      if (timer.due > limit) continue;
      if (!found || timer.due < found.due || (timer.due === found.due && timer.order < found.order)) found = timer;
    }
    return found;
  };
  return {
    now: () => now,
    after: (milliseconds, callback) => {
      order += 1;
      const timer = { due: now + Math.max(0, milliseconds), order, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance: (milliseconds) => {
      const end = now + milliseconds;
      for (let timer = earliest(end); timer; timer = earliest(end)) {
        timers.delete(timer);
        now = timer.due;
        timer.callback();
      }
      now = end;
    },
    pending: () => timers.size,
  };
};

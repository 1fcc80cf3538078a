// SPDX-License-Identifier: MIT

import type { Clock } from '../../../core/platform/index.ts';

/** The process's own monotonic clock and timers. */
export const realClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

// SPDX-License-Identifier: MIT

import type { WatchPolicy } from '../../core/lane/index.ts';
import { definePlugin } from '../../core/plugin/index.ts';

/**
 * After an answer the lane looks at the pages for a few times the gap that guests leave between requests, a millisecond
 * at most; after several watches in vain for a twentieth of that.
 *
 * Cost: CPU time of one core only while guests use config space, at most `longest` after each burst.
 */
export const adaptive: WatchPolicy = { longest: 1, shortest: 0.05, patience: 3 };

/** As above, with more patience: drivers that wait between their requests find the lane awake. Costs up to 20 ms a burst. */
export const eager: WatchPolicy = { longest: 20, shortest: 1, patience: 20 };

/** Sleeps after each answer; each request costs a wake-up. For hosts where no CPU time may be spent on waiting. */
export const never: WatchPolicy = { longest: 0, shortest: 0, patience: 0 };

/** How long guests' pages are looked at for the next request. `pciback status` shows what it costs and brings. */
export default definePlugin({
  name: 'policies/watch',
  api: '^1.0',
  apply: (host) => {
    host.watches.add('adaptive', adaptive);
    host.watches.add('eager', eager);
    host.watches.add('never', never);
  },
});

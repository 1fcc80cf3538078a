// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { WatchPolicy } from '../kinds/answerer.ts';

/**
 * After an answer the pages are looked at for a few times the gap that guests leave between requests, at most for what
 * eight wake-ups of this host cost (some hundred microseconds on usual hardware); after several watches in vain shortly.
 *
 * Cost: CPU time of one core only while guests use config space, a fraction of a millisecond after each burst; for one
 * guest a fifth of a core in the long run.
 */
export const adaptive: WatchPolicy = { longest: 20, wakeUps: 8, shortest: 0.05, patience: 3 };

/**
 * As above, with more patience: drivers that wait between their requests find it awake. Costs up to 50 ms a burst, and one
 * guest may keep a processor at it for ever.
 */
export const eager: WatchPolicy = { longest: 50, wakeUps: 1000, shortest: 1, patience: 20, share: 1 };

/** Sleeps after each answer; each request costs a wake-up. For hosts where no CPU time may be spent on waiting. */
export const never: WatchPolicy = { longest: 0, wakeUps: 0, shortest: 0, patience: 0 };

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

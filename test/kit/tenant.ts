// SPDX-License-Identifier: MIT

import { silent } from '../../core/log.ts';
import { DenialRecord } from '../../core/space/denials.ts';
import type { Tenant } from '../../core/stub/index.ts';
import { guestBudgets } from '../../plugins/guest-budgets.ts';
import { createManualClock } from './manual-clock.ts';

/** A guest that listens to nothing and whose clock stands still. */
export const tenantOf = (domain: number): Tenant => ({
  domain,
  name: `guest ${domain}`,
  denials: new DenialRecord(domain),
  budget: guestBudgets(silent, createManualClock()).of(domain),
  refused: () => {},
  settled: () => {},
  hold: (work) => work(),
  viewChanged: () => {},
});

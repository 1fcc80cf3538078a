// SPDX-License-Identifier: MIT

import { RateLimit } from '../../core/log.ts';
import { DenialRecord } from '../../core/space/denials.ts';
import type { Tenant } from '../../core/stub/index.ts';

/** A guest that listens to nothing and whose clock stands still. */
export const tenantOf = (domain: number): Tenant => ({
  domain,
  name: `guest ${domain}`,
  denials: new DenialRecord(domain),
  limit: new RateLimit(() => 0),
  refused: () => {},
  settled: () => {},
  warn: () => {},
});

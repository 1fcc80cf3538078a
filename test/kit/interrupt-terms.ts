// SPDX-License-Identifier: MIT

import type { InterruptPolicySource } from '../../core/interrupts.ts';
import { type Logger, silent } from '../../core/log.ts';
import { HostOperations, type InterruptDriverTerms } from '../../core/stub/index.ts';
import { Wall } from '../../core/wall/wall.ts';
import { guestBudgets } from '../../plugins/guest-budgets.ts';
import { FakeFunction } from './fake-function.ts';
import { createManualClock } from './manual-clock.ts';

/** What an interrupt driver is made from, for a device that nothing has been done with yet. */
export const interruptTerms = (
  policy: InterruptPolicySource,
  { hardware = new FakeFunction(), log = silent }: { readonly hardware?: FakeFunction; readonly log?: Logger } = {},
): InterruptDriverTerms => {
  const clock = createManualClock();
  const { identity } = hardware;
  const chosen = { name: 'mine', plugin: 'acme', thing: policy };
  return {
    device: { bdf: identity.bdf, identity },
    guest: { domain: 1, name: 'guest' },
    operations: new HostOperations(hardware, clock),
    platform: {
      clock,
      interrupts: { mapMsi: () => 55, mapMsix: () => 56, unmap: () => {}, linePirq: () => 19 } as never,
      lines: { canClaim: true, claim: () => ({ release: () => {} }), isShared: () => true, hostUsers: () => [] },
    },
    sharedLines: 'refuse',
    allowed: true,
    limits: {},
    policy: chosen,
    find: () => chosen,
    objection: () => undefined,
    wall: new Wall(log),
    warn: () => {},
    log: guestBudgets(log, clock).of(1).log,
  };
};

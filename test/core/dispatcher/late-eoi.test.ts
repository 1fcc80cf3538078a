// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Hypervisor } from '../../../plugins/platforms/embedded/hypervisor.ts';
import { EoiRun, type EoiStep, type EventBench, eoiScenarios } from '../../kit/late-eoi.ts';

/** The channels of the embedded platform. */
const embeddedBench = (): EventBench => {
  const hypervisor = new Hypervisor();
  const guest = hypervisor.createDomain();
  const offered = guest.ports.allocUnbound(0, () => offered.unmask());
  return {
    events: hypervisor.domain(0).events,
    domain: guest.domain,
    port: offered.port,
    notify: () => offered.notify(),
    // Deliveries lead to further ones in a few turns at most.
    settle: async () => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    },
    close: async () => undefined,
  };
};

describe('late EOI, over the channels of platform embedded', () => {
  it.each(eoiScenarios)('$name (seed c2711441bc)', async ({ steps, trace }) => {
    const run = await EoiRun.start(embeddedBench());
    for (const step of steps) await run.do(step);
    expect(run.trace).toEqual(trace);
    expect(run.count('unmask')).toBe(run.count('delivery'));
  });

  /** Steps that a guest that keeps to the protocol, or only floods, and a host can take at this moment. */
  const possible = (run: EoiRun, step: EoiStep): boolean => {
    if (step === 'device settles') return run.isBusy;
    if (step.includes('request') && run.hasRequest) return false;
    return !step.includes('verdict') || run.isAsked;
  };

  it('ends each delivery once, answers each request and ends each wait, whatever the order', async () => {
    const steps: EoiStep[] = ['request', 'slow request', 'two requests', 'verdict', 'quiet verdict'];
    const more: EoiStep[] = ['request and verdict', 'event', 'ask', 'device settles', 'deadline', 'second'];
    const anyStep = fc.constantFrom(...steps, ...more);
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (plan) => {
        const run = await EoiRun.start(embeddedBench());
        for (const step of plan) {
          if (possible(run, step)) await run.do(step);
          const owed = run.count('delivery') - run.count('unmask');
          expect(owed === 0 || owed === 1).toBe(true);
        }
        // The time that passes may end a back-off, and what comes then may be a slow request.
        for (let round = 0; round < 3; round++) {
          if (run.isBusy) await run.do('device settles');
          await run.do('deadline');
        }
        expect(run.count('unmask')).toBe(run.count('delivery'));
        expect(run.counts.answers).toBe(run.counts.requests);
        expect(run.counts.outcomes).toBe(run.counts.asked);
        expect(run.isAsked).toBe(false);
      }),
      { numRuns: 150, examples: [[['event', 'event', 'event', 'slow request']]] },
    );
  });

  it('a ring that closes ends the wait and touches the page no more (D-P4)', async () => {
    const run = await EoiRun.start(embeddedBench());
    await run.do('ask');
    await run.do('ask');
    await run.server.close();
    await run.do('verdict');
    await run.do('deadline');
    expect(run.trace).toEqual(['question', 'closed', 'closed', 'delivery']);
    await run.do('ask');
    expect(run.trace.at(-1)).toBe('closed');
  });
});

// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPcibackError } from '../../../core/errors/index.ts';
import type { ControlWordQuestion, InterruptPolicy, RequestQuestion } from '../../../core/interrupts.ts';
import { silent } from '../../../core/log.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import type { RateLimits } from '../../../plugins/interrupts/rate-defaults.ts';
import plugin, { rateLimited } from '../../../plugins/interrupts/rate-limited.ts';
import { strict } from '../../../plugins/interrupts/strict.ts';
import { createManualClock } from '../../kit/manual-clock.ts';
import { policyFacts } from './policies.ts';

const request: RequestQuestion = { kind: 'msi', current: 'intx', vectors: 1, allowed: true };
const on: ControlWordQuestion = { kind: 'msix', current: 'intx', old: 0x0004, next: 0x8004, allowed: true };
const off: ControlWordQuestion = { ...on, current: 'msix', old: 0x8004, next: 0x0004 };

const under = (changes: number, seconds: number, inner: InterruptPolicy = strict) => {
  const clock = createManualClock(1_000_000);
  const policy = rateLimited(inner, { changes, seconds }, clock);
  return { clock, policy, asks: (): boolean => policy.refusesRequest?.(request) === undefined };
};

describe('interrupt policy rate-limited', () => {
  it('lets the number through, and no more until the window has passed', () => {
    const { clock, asks } = under(3, 10);
    expect([asks(), asks(), asks()]).toEqual([true, true, true]);
    clock.advance(10_000);
    expect([asks(), asks(), asks(), asks()]).toEqual([true, true, true, false]);
    clock.advance(9_999);
    expect(asks()).toBe(false);
    clock.advance(10_000);
    expect(asks()).toBe(true);
  });

  it('a guest that goes on trying is not let in again', () => {
    const { clock, asks } = under(2, 10);
    asks();
    asks();
    for (let i = 0; i < 100; i++) {
      clock.advance(1_000);
      expect(asks()).toBe(false);
    }
  });

  it('config writes count with requests; switching off is free, and so is what changes no enable bit', () => {
    const { policy, asks } = under(2, 10);
    for (let i = 0; i < 10; i++) {
      expect(policy.allowsControlWord(off)).toBe(true);
      expect(policy.allowsControlWord({ ...on, next: 0x4004 })).toBe(true);
    }
    expect(policy.allowsControlWord(on)).toBe(true);
    expect(asks()).toBe(true);
    expect(policy.allowsControlWord(on)).toBe(false);
    expect(policy.allowsControlWord(off)).toBe(true);
  });

  it('what the inner policy refuses is refused in its words, and not counted', () => {
    const inner: InterruptPolicy = { allowsControlWord: () => false, refusesRequest: () => 'never' };
    const { policy } = under(1, 10, inner);
    for (let i = 0; i < 5; i++) {
      expect(policy.refusesRequest?.(request)).toBe('never');
      expect(policy.allowsControlWord(on)).toBe(false);
    }
    expect(policy.decidesIntx).toBeUndefined();
  });

  it('in no window are there more than the number, for any sequence of times', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 4_000 }), { minLength: 1, maxLength: 60 }),
        (changes, pauses) => {
          const { clock, asks } = under(changes, 5);
          const granted: number[] = [];
          for (const pause of pauses) {
            clock.advance(pause);
            if (asks()) granted.push(clock.now());
          }
          for (const start of granted) {
            const inside = granted.filter((time) => time >= start && time < start + 5_000);
            expect(inside.length).toBeLessThanOrEqual(changes);
          }
        },
      ),
    );
  });

  it('is made for each assignment, around the policy that its options name', async () => {
    const host = new PluginHost({ log: silent });
    const options: Partial<RateLimits> = { changes: 1, policy: 'mine' };
    await host.load(plugin, options, 'test');
    const source = host.registries.interrupts.get('rate-limited');
    if (typeof source !== 'function') throw new Error('it has state');
    const asked: string[] = [];
    const facts = policyFacts({
      policy: (name) => {
        asked.push(name);
        return strict;
      },
    });
    const [first, second] = [source(facts), source(facts)];
    expect(asked).toEqual(['mine', 'mine']);
    expect(first.refusesRequest?.(request)).toBeUndefined();
    expect(first.refusesRequest?.(request)).toMatch(/more than 1 times in 10 seconds/);
    expect(second.refusesRequest?.(request)).toBeUndefined();
  });

  it.each([[{ changes: 0 }], [{ changes: 1.5 }], [{ seconds: 0 }], [{ rate: 3 }], [{ policy: '' }]])(
    'options %j are refused',
    async (options) => {
      const loading = new PluginHost({ log: silent }).load(plugin, options, 'test');
      const error: unknown = await loading.catch((refusal: unknown) => refusal);
      expect(isPcibackError(error, 'PLUGIN_OPTIONS')).toBe(true);
    },
  );
});

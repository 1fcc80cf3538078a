// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { turn } from '../kit/unruly-store.ts';
import { checkEnd, checkInvariants } from './state-machine/invariants.ts';
import { randomStep } from './state-machine/steps.ts';
import { World } from './state-machine/world.ts';

/** `SEED=… STEPS=… npx vitest run test/property/state-machine.test.ts` plays one run again. */
const only = process.env.SEED;
const seeds = only === undefined ? [1, 2, 4, 5] : [Number(only)];
const steps = Number(process.env.STEPS ?? 2000);
/** Steps between two rests, at which everything is checked. */
const STRIDE = 40;
/** Most turns that the store holds one operation up, by seed: some stores are fast. */
const delays = [0, 2, 6];

const run = async (seed: number): Promise<World> => {
  const world = await World.start(seed, delays[seed % delays.length] ?? 0);
  for (let step = 1; step <= steps && world.violations.length === 0; step++) {
    randomStep(world);
    for (let left = world.random.below(3); left > 0; left--) await turn();
    if (step % STRIDE !== 0) continue;
    await world.settle();
    await checkInvariants(world);
    if (world.violations.length > 0) world.violations.push(`at step ${step}`);
  }
  if (world.violations.length === 0) await checkEnd(world);
  return world;
};

describe('every order and speed of both ends', () => {
  it.each(seeds)('seed %i: nothing illegal, nothing stuck, nothing left', { timeout: 3_600_000 }, async (seed) => {
    const { violations, seen } = await run(seed);
    const count = (message: string): string => `${seen.get(message) ?? 0} × ${message}`;
    const story = ['guest connected', 'device returned', 'device quarantined', 'device released'].map(count).join(', ');
    process.stdout.write(`state machine: SEED=${seed} STEPS=${steps}: ${violations.length} violations (${story})\n`);
    expect(violations).toEqual([]);
    // A run in which nothing happens proves nothing.
    expect(seen.get('guest connected')).toBeGreaterThan(steps / 1000);
    expect(seen.get('device returned')).toBeGreaterThan(steps / 1000);
  });
});

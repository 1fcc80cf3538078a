// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Account, USUAL_SHARE } from '../../../plugins/lane/account.ts';
import { deviceView, laneWorld } from './world.ts';

/** Milliseconds of a wake-up. */
const WAKE = 0.05;

describe('what a guest may have of the lane', () => {
  it('is a fifth of a processor of watching in the long run, beyond what wake-ups would cost', () => {
    const account = new Account(USUAL_SHARE);
    let [now, watched] = [1000, 0];
    while (now < 11_000) {
      const isAllowed = account.mayWatch(now);
      now += 0.5;
      if (!isAllowed) continue;
      account.watched(now, 0.5, WAKE);
      watched += 0.5 - WAKE;
    }
    expect(watched / 10_000).toBeGreaterThan(0.18);
    expect(watched / 10_000).toBeLessThan(0.21);
  });

  it('has no end where a watch is shorter than a wake-up', () => {
    const account = new Account(USUAL_SHARE);
    for (let now = 1000; now < 3000; now += 0.04) {
      account.watched(now, 0.04, WAKE);
      expect(account.mayWatch(now)).toBe(true);
    }
  });

  it('is half of its time for answers while others ask; a call that the host held up counts little', () => {
    const account = new Account(USUAL_SHARE);
    account.answered(1000, 2000);
    expect(account.heldUntil).toBeLessThan(1000);
    let now = 1000;
    for (let i = 0; i < 1000; i++) {
      now += 1;
      account.answered(now, 1);
    }
    // 1000 ms of answers, of which 50 ms were free and half of the time was its part.
    expect(account.heldUntil - now).toBeGreaterThan(800);
    expect(account.heldUntil - now).toBeLessThan(1000);
  });
});

/** Plays a guest that asks every half millisecond for six tenths of a second. @returns the part of the time that the lane was awake */
const awake = (share: number | undefined): number => {
  const policy = { longest: 20, wakeUps: 100, shortest: 0.05, patience: 3 };
  const world = laneWorld(share === undefined ? policy : { ...policy, share });
  world.show([deviceView(1)]);
  let [due, asleep, answered] = [0, 0, 0];
  const askAt = (): void => {
    if (!world.answered) return;
    world.ask(0);
    due = world.state.now + 0.5;
    answered++;
  };
  world.whileWatching = () => {
    if (world.state.now >= due) askAt();
  };
  world.whileAsleep = () => {
    if (world.state.now > 600) {
      world.stop();
      return 0;
    }
    asleep += Math.max(0, due - world.state.now);
    world.state.now = Math.max(world.state.now, due);
    askAt();
    return 1;
  };
  // Without a limit the lane never sleeps: it is told to end.
  const watching = world.whileWatching;
  world.whileWatching = () => {
    watching();
    if (world.state.now > 600) world.stop();
  };
  world.run();
  expect(answered).toBeGreaterThan(500);
  return 1 - asleep / world.state.now;
};

describe('a guest that asks 2,000 times a second', () => {
  it('keeps the lane awake for a part of the time only', () => {
    const [before, after] = [awake(1), awake(undefined)];
    process.stdout.write(
      `2,000 reads a second: the lane is awake ${Math.round(before * 100)} %, with the limit ${Math.round(after * 100)} %\n`,
    );
    expect(before).toBeGreaterThan(0.8);
    expect(after).toBeLessThan(0.5);
  });
});

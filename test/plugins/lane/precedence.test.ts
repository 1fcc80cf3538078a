// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { LaneWord } from '../../../plugins/lane/thread-protocol.ts';
import { deviceView, laneWorld } from './world.ts';

/** Watches through every gap that these guests leave. */
const WATCHES = { longest: 100, wakeUps: 1e6, shortest: 50, patience: 3, share: 1 };
/** Milliseconds of lost precedence at the latest after the second that a guest may keep the lane awake for. */
const LATE = 20;

/** A guest that asks without a pause as long as `goesOn` says. Each time that the lane asks the clock a millisecond has gone. */
const insatiable = (goesOn: (world: ReturnType<typeof laneWorld>) => boolean) => {
  const world = laneWorld(WATCHES);
  world.show([deviceView(1)]);
  let looks = 0;
  world.whileWatching = () => {
    if (++looks > 100_000) throw new Error('it goes on');
    world.state.now++;
    if (world.answered && goesOn(world)) world.ask(0);
  };
  return world;
};

/** The paces that the lane asked for so far, each with whether the host's word for it is set, at every sleep. */
const runThrough = (world: ReturnType<typeof laneWorld>, sleeps: number) => {
  const atSleep: { paces: string[]; word: number | undefined; now: number }[] = [];
  world.whileAsleep = () => {
    atSleep.push({
      paces: world.hurried.map(({ pace }) => pace),
      word: world.words[LaneWord.urgent],
      now: world.state.now,
    });
    if (atSleep.length === sleeps) {
      world.stop();
      return 0;
    }
    world.ask(0);
    return 1;
  };
  world.run();
  return atSleep;
};

describe('precedence', () => {
  it('is there before the first sleep, asked for once, and not sooner than the lane runs', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.ask(0);
    world.lane();
    expect(world.hurried).toEqual([]);
    const sleeps = runThrough(world, 3);
    expect(sleeps.map(({ paces, word }) => [paces, word])).toEqual([
      [['urgent'], 1],
      [['urgent'], 1],
      [['urgent'], 1],
    ]);
  });

  it('is not reported where the host does not give it', () => {
    const world = laneWorld();
    world.state.obeys = false;
    const [sleep] = runThrough(world, 1);
    expect([sleep?.paces, sleep?.word]).toEqual([['urgent'], 0]);
  });

  it('is lost after a second without sleep, and back before the next sleep', () => {
    let word: number | undefined;
    const world = insatiable(({ hurried, words, state }) => {
      const usual = hurried.find(({ pace }) => pace === 'usual');
      // The guest goes on for a while, so that the loss is seen while it lasts.
      if (usual === undefined) return true;
      word ??= words[LaneWord.urgent];
      return state.now < usual.at + 100;
    });
    const [first, second] = runThrough(world, 2);
    expect([first?.paces, first?.word]).toEqual([['urgent'], 1]);
    expect([second?.paces, second?.word]).toEqual([['urgent', 'usual', 'urgent'], 1]);
    expect(word).toBe(0);
    const awake = (world.hurried[1]?.at ?? 0) - (first?.now ?? 0);
    expect(awake).toBeGreaterThan(1000);
    expect(awake).toBeLessThan(1000 + LATE);
  });

  /** Sleeps a few times; each time a guest wakes it and asks for so long. @returns the paces that it asked for */
  const wokenFor = (milliseconds: number, times: number): readonly string[] => {
    let began = 0;
    const world = insatiable(({ state }) => state.now < began + milliseconds);
    let sleeps = 0;
    world.whileAsleep = () => {
      if (sleeps > 0) expect(world.state.now).toBeGreaterThan(began + milliseconds);
      began = world.state.now;
      if (sleeps++ < times) {
        world.ask(0);
        return 1;
      }
      world.stop();
      return 0;
    };
    world.run();
    return world.hurried.map(({ pace }) => pace);
  };

  it('is lost again when it happens again', () => {
    expect(wokenFor(1500, 2)).toEqual(['urgent', 'usual', 'urgent', 'usual', 'urgent']);
  });

  it('stays with a lane that sleeps now and then, however much it does', () => {
    expect(wokenFor(600, 4)).toEqual(['urgent']);
  });
});

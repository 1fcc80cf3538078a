// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Lane } from '../../../plugins/lane/lane.ts';
import { LaneWord, LEFT_WORK, Owner, SeatWord } from '../../../plugins/lane/thread-protocol.ts';
import { laneWorld, writableView } from './world.ts';

const WATCHES = { longest: 100, wakeUps: 1e6, shortest: 50, patience: 3 };
/** Milliseconds after which a lane that never sleeps has told what was left, at the latest. */
const SOON = 20;

const writableWorld = (policy?: Parameters<typeof laneWorld>[0]) => {
  const world = laneWorld(policy);
  world.show([writableView(0x10d38086)]);
  return world;
};

describe('a refused write that the lane answered', () => {
  it('is told when the lane falls asleep, once, and recorded when the control thread hears of it', () => {
    const world = writableWorld();
    world.askToWrite(0, 0xffff8086);
    world.lane();
    expect([world.answered, world.err]).toEqual([true, 0]);
    expect(world.told).toEqual([world.PORT + LEFT_WORK]);
    expect(world.recorded).toEqual([]);
    // Another wake-up has nothing to tell, although the control thread has not come by yet.
    world.ask(0);
    world.lane();
    expect(world.told).toEqual([world.PORT + LEFT_WORK]);
    world.control();
    expect(world.recorded).toEqual([{ offset: 0, value: 0xffff8086, times: 1, dispatched: 0 }]);
    expect(world.dispatched).toEqual([]);
    world.ask(0);
    world.settle();
    expect([world.answered, world.value]).toEqual([true, 0x10d38086]);
  });

  it('is not told when the write changed nothing', () => {
    const world = writableWorld();
    world.askToWrite(0, 0x10d38086);
    world.lane();
    expect([world.answered, world.told]).toEqual([true, []]);
  });

  it('is told within milliseconds by a lane that never sleeps, each time', () => {
    const world = writableWorld(WATCHES);
    const waits: number[] = [];
    const awake: unknown[] = [];
    let wrote: number | undefined;
    let looks = 0;
    world.whileWatching = () => {
      if (++looks > 100_000) throw new Error('never told');
      world.state.now++;
      if (world.told.length > waits.length) {
        waits.push(world.state.now - (wrote ?? 0));
        awake.push(world.words[LaneWord.awake]);
        wrote = undefined;
      }
      if (!world.answered || waits.length === 3) return;
      // One write, and reads without a pause until that is told.
      if (wrote === undefined) {
        wrote = world.state.now;
        world.askToWrite(0, waits.length);
      } else world.ask(0);
    };
    world.ask(0);
    world.lane();
    expect(world.told).toEqual(Array.from({ length: 3 }, () => world.PORT + LEFT_WORK));
    expect(awake).toEqual([1, 1, 1]);
    for (const wait of waits) expect(wait).toBeLessThan(SOON);
  });

  it('is recorded before the next request that needs code is dispatched', () => {
    const world = writableWorld(WATCHES);
    let asked = false;
    world.whileWatching = () => {
      // Found by looking, so the lane has told nothing yet.
      if (!world.answered || asked) return;
      asked = true;
      world.ask(8);
    };
    world.askToWrite(0, 1);
    world.lane();
    // The request is enough: the control thread does what was left first.
    expect([asked, world.told]).toEqual([true, [world.PORT]]);
    world.control();
    expect(world.dispatched).toEqual([8]);
    expect(world.recorded).toEqual([{ offset: 0, value: 1, times: 1, dispatched: 0 }]);
    world.settle();
    expect(world.recorded).toHaveLength(1);
  });

  it('is recorded as often as it was made, others beside it, in their order', () => {
    const world = writableWorld();
    for (const value of [1, 2, 1, 1]) {
      world.askToWrite(0, value);
      world.lane();
    }
    world.control();
    expect(world.recorded).toEqual([
      { offset: 0, value: 1, times: 3, dispatched: 0 },
      { offset: 0, value: 2, times: 1, dispatched: 0 },
    ]);
    // The control thread was told each time; once it has come by there is nothing left.
    world.settle();
    expect(world.recorded).toHaveLength(2);
  });

  it('is recorded at the end of the connection, if nobody came by before', async () => {
    const world = writableWorld();
    world.askToWrite(0, 1);
    world.lane();
    await world.connection.close();
    expect(world.recorded).toEqual([{ offset: 0, value: 1, times: 1, dispatched: 0 }]);
    world.control();
    expect(world.recorded).toHaveLength(1);
  });
});

describe('a gate that the lane was asked to close', () => {
  it('is told when the lane falls asleep', () => {
    const world = writableWorld();
    world.askToWrite(12, 0);
    world.lane();
    expect([world.answered, world.told]).toEqual([true, [world.PORT + LEFT_WORK]]);
  });

  it('is not told when it is open again by then', () => {
    const world = writableWorld(WATCHES);
    let asked = false;
    world.whileWatching = () => {
      if (!world.answered || asked) return;
      asked = true;
      world.askToWrite(12, 1);
    };
    world.askToWrite(12, 0);
    world.lane();
    expect([asked, world.answered, world.told]).toEqual([true, true, []]);
  });
});

describe('what a lane tells', () => {
  const PORT = 7;

  /** A thread that says this as soon as it has a guest, and ends; and what came of it for the guest of {@link PORT}. */
  const told = async (messages: readonly number[], before?: (words: Int32Array) => void) => {
    const text = `import { parentPort, workerData } from 'node:worker_threads';
const words = new Int32Array(workerData.words);
parentPort.postMessage('ready');
while (Atomics.load(words, ${LaneWord.inbox}) === 0) Atomics.wait(words, ${LaneWord.inbox}, 0, 1);
for (const one of ${JSON.stringify(messages)}) parentPort.postMessage(one);`;
    const heard: string[] = [];
    const module = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
    const terms = {
      bell: module,
      own: undefined,
      policy: WATCHES,
      ring: () => undefined,
      deliver: (port: number) => heard.push(`deliver ${port}`),
      lost: () => heard.push('lost'),
      failed: (error: Error) => {
        throw error;
      },
    };
    const lane = new Lane(terms, module);
    await lane.ready;
    const channel = { port: PORT, notify: () => undefined, unmask: () => undefined, close: () => undefined };
    const seat = lane.seat(channel, new SharedArrayBuffer(4096), () => {
      heard.push(`left work, the seat is ${words[SeatWord.owner] === Owner.control ? 'taken' : 'free'}`);
    });
    const words = new Int32Array(seat.memory);
    before?.(words);
    await lane.close();
    return { heard, owner: words[SeatWord.owner] };
  };

  it('about work that is left has it done while the lane keeps off, and nothing delivered', async () => {
    const { heard, owner } = await told([PORT + LEFT_WORK]);
    expect(heard).toEqual(['left work, the seat is taken']);
    expect(owner).toBe(Owner.nobody);
  });

  it('about work leaves the seat with the control thread if that has it anyway', async () => {
    const { heard, owner } = await told([PORT + LEFT_WORK], (words) => {
      words[SeatWord.owner] = Owner.control;
    });
    expect(heard).toEqual(['left work, the seat is taken']);
    expect(owner).toBe(Owner.control);
  });

  it('about a seat that was left meanwhile is forgotten; the rest is delivered', async () => {
    const { heard } = await told([PORT + 1 + LEFT_WORK, PORT + 1, PORT, -PORT - 1, 0]);
    expect(heard).toEqual([`deliver ${PORT}`, `deliver ${PORT + 1}`, 'lost']);
  });
});

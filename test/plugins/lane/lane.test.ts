// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LaneWord, Owner, SeatWord } from '../../../plugins/lane/thread-protocol.ts';
import { deviceView, laneWorld } from './world.ts';

const events = (trace: readonly string[], what: string): number => trace.filter((line) => line === what).length;

describe('the lane answers what needs no code', () => {
  it('a read from memory: one event, one answer, one unmask, and the control thread hears nothing', () => {
    const world = laneWorld();
    world.show([deviceView(0x10d38086)]);
    world.ask(0);
    world.lane();
    expect(world.answered).toBe(true);
    expect([world.err, world.value]).toEqual([0, 0x10d38086]);
    expect(world.trace).toEqual(['event', 'notify', 'unmask']);
    expect(world.told).toEqual([]);
  });

  it.each([
    [0, 1, 0x86],
    [1, 1, 0x80],
    [2, 2, 0x10d3],
    [3, 1, 0x10],
  ])('narrow reads: %i, %i bytes', (offset, size, value) => {
    const world = laneWorld();
    world.show([deviceView(0x10d38086)]);
    world.ask(offset, 0, size);
    world.lane();
    expect([world.err, world.value]).toEqual([0, value]);
  });

  it('bits that memory does not have come from hardware, through the file', () => {
    const world = laneWorld();
    world.show([deviceView(0, 31)]);
    world.ask(4);
    world.lane();
    expect(world.value).toBe(0xabcd1234);
    expect(world.trace).toContain('read of file 31');
  });

  it('an address without a device, and numbers that name no access', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.ask(0, 8);
    world.lane();
    expect(world.err).toBe(-1);
    for (const [offset, size] of [
      [12, 4],
      [-4, 4],
      [1, 2],
      [0, 3],
    ] as const) {
      world.ask(offset, 0, size);
      world.lane();
      expect([offset, size, world.err, world.value]).toEqual([offset, size, -2, 0]);
    }
    world.ask(0, 0x100);
    world.lane();
    expect(world.err).toBe(-1);
  });

  it('counts as the dispatcher does', () => {
    const world = laneWorld();
    const view = deviceView(1);
    world.show([view]);
    world.ask(2, 0, 2);
    world.lane();
    world.ask(0, 9);
    world.lane();
    expect(world.dispatcher.requests()).toEqual({ conf_read: 2 });
    expect(world.dispatcher.statuses()).toEqual({ success: 1, dev_not_found: 1 });
    expect([...view.reads.subarray(0, 4)]).toEqual([0, 0, 1, 1]);
  });
});

describe('the rest goes to the control thread', () => {
  const cases: readonly (readonly [string, (world: ReturnType<typeof laneWorld>) => void])[] = [
    ['a register with code', (world) => world.ask(8)],
    ['a write', (world) => world.ask(0, 0, 4, 1)],
    ['a command that does not exist', (world) => world.ask(0, 0, 4, 77)],
    ['hardware without a file', (world) => world.ask(4)],
    ['a device that is not shown', (world) => world.ask(0, 1)],
  ];
  it.each(cases)('%s', (_, ask) => {
    const world = laneWorld();
    world.show([deviceView(1), null]);
    ask(world);
    world.settle();
    expect(world.answered).toBe(true);
    expect(world.dispatched).toHaveLength(1);
    expect(events(world.trace, 'unmask')).toBe(events(world.trace, 'event'));
  });

  it('everything, as long as nothing was shown', () => {
    const world = laneWorld();
    world.ask(0);
    world.settle();
    expect(world.answered).toBe(true);
    expect(world.dispatched).toHaveLength(1);
  });

  it('hardware that refuses is asked again by the control thread, which reports it', () => {
    const world = laneWorld();
    world.show([deviceView(0, 31)]);
    Object.defineProperty(world.state, 'hardware', {
      get: () => {
        throw new Error('EIO');
      },
    });
    world.ask(4);
    world.settle();
    expect(world.dispatched).toHaveLength(1);
  });
});

describe('who has the page', () => {
  it('while the control thread works the lane keeps off, and nothing that comes meanwhile is lost', () => {
    const world = laneWorld();
    world.show([deviceView(7)]);
    world.ask(8);
    world.lane();
    // Handed over. The guest gives up on it and asks something else, before the control thread has even heard.
    world.ask(0);
    world.nudge();
    world.state.masked = false;
    world.lane();
    expect(world.answered).toBe(false);
    world.settle();
    expect(world.answered).toBe(true);
  });

  it('a new view is in force when show returns', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.ask(0);
    world.lane();
    expect(world.value).toBe(1);
    world.show([deviceView(2)]);
    world.ask(0);
    world.lane();
    expect(world.value).toBe(2);
  });

  it('after the end of the connection the page is not touched any more', async () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.ask(0);
    await world.connection.close();
    world.settle();
    expect(world.answered).toBe(false);
    expect(world.trace.slice(0, 4)).toEqual(['left work', 'left', 'close', 'unmap']);
  });
});

describe('announcing', () => {
  it('of the answers to requests that were found by looking only the last', () => {
    const world = laneWorld({ longest: 1, wakeUps: 1000, shortest: 0.5, patience: 3 });
    world.show([deviceView(1)]);
    let more = 5;
    let pause = 20;
    // Looks at the clock are short beside the gaps that the guest leaves.
    world.whileWatching = () => {
      if (!world.answered || more === 0 || --pause > 0) return;
      pause = 8;
      more--;
      world.ask(0);
    };
    world.ask(0);
    world.lane();
    expect(world.answered).toBe(true);
    expect(world.dispatcher.requests()).toEqual({ conf_read: 6 });
    expect(events(world.trace, 'notify')).toBe(2);
    expect(world.trace.at(-1)).toBe('unmask');
  });

  it('an answer to a guest that asked by an event, at once', () => {
    const world = laneWorld({ longest: 1, wakeUps: 1000, shortest: 0.5, patience: 3 });
    world.show([deviceView(1)]);
    const heard: string[] = [];
    world.whileWatching = () => {
      if (heard.length === 0) heard.push(...world.trace);
    };
    world.ask(0);
    world.lane();
    world.settle();
    expect(events(world.trace, 'notify')).toBe(1);
  });
});

it('a guest that never stops asking does not keep the lane from its end', () => {
  const world = laneWorld({ longest: 1, wakeUps: 1000, shortest: 0.5, patience: 3 });
  world.show([deviceView(1)]);
  let asked = 0;
  world.whileWatching = () => {
    if (world.answered) world.ask(0);
    if (++asked === 1000) world.stop();
    if (asked > 2000) throw new Error('it goes on');
  };
  world.ask(0);
  world.lane();
  expect(asked).toBeGreaterThanOrEqual(1000);
});

describe('events with nothing to do', () => {
  it('one that was for a request found by looking is unmasked at once', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.ask(0);
    world.lane();
    world.nudge();
    world.settle();
    expect(events(world.trace, 'unmask')).toBe(2);
    expect(world.told).toEqual([]);
  });

  it('more of them end in a delay that grows, and only the lane serves no one meanwhile', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    const gaps: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = events(world.trace, 'unmask');
      world.nudge();
      world.settle();
      let waited = 0;
      while (events(world.trace, 'unmask') === before) {
        world.clock.advance(1);
        world.settle();
        waited++;
        if (waited > 5000) throw new Error('never unmasked');
      }
      gaps.push(waited);
    }
    expect(gaps).toEqual([0, 0, 1, 2, 4, 8, 16, 32]);
    expect(events(world.trace, 'unmask')).toBe(events(world.trace, 'event'));
  });

  it('requests that the lane answers make up for it', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    for (let i = 0; i < 20; i++) {
      world.nudge();
      world.settle();
      world.ask(0);
      world.settle();
      expect(world.answered).toBe(true);
    }
    expect(events(world.trace, 'unmask')).toBe(events(world.trace, 'event'));
  });

  it('while an answer to an error report is awaited every event goes to the control thread', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.ask(0);
    world.lane();
    world.seat.awaitsAnswer('yes');
    world.nudge();
    world.lane();
    expect(world.told).toEqual([world.PORT]);
  });
});

describe('an answer to an error report', () => {
  it('reaches the control thread although one event was for it and for a request that the lane answers', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.seat.awaitsAnswer('yes');
    world.ask(0);
    world.lane();
    expect(world.answered).toBe(true);
    expect(world.told).toEqual([world.PORT]);
    world.settle();
    expect(events(world.trace, 'unmask')).toBe(events(world.trace, 'event'));
  });

  it('reaches it although its event came while the control thread had the seat', () => {
    const world = laneWorld();
    world.show([deviceView(1)]);
    world.seat.awaitsAnswer('yes');
    // The control thread works on a request that needs code, and has let the next event in, as it does when it asks.
    world.ask(8);
    world.lane();
    world.told.length = 0;
    world.state.masked = false;
    world.nudge();
    world.lane();
    world.answer();
    world.seat.unmask();
    world.lane();
    expect(world.told).toEqual([world.PORT]);
  });
});

describe('a lane that died', () => {
  it('with a seat in its hands does not keep the control thread: the connection ends', async () => {
    const world = laneWorld();
    new Int32Array(world.seat.memory)[SeatWord.owner] = Owner.lane;
    world.words[LaneWord.ended] = 1;
    await world.connection.close();
    expect(world.trace).toEqual(['left work', 'left', 'close', 'unmap']);
  });
});

describe('in any order', () => {
  it('every request is answered and every delivery unmasked once', () => {
    const step = fc.constantFrom('fast', 'slow', 'nudge', 'lane', 'control', 'view', 'tick');
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), fc.boolean(), (steps, watches) => {
        const world = laneWorld(watches ? { longest: 0.1, wakeUps: 1000, shortest: 0.02, patience: 2 } : undefined);
        const act: Record<string, () => void> = {
          fast: () => world.answered && world.ask(0),
          slow: () => world.answered && world.ask(8),
          nudge: world.nudge,
          lane: () => void world.lane(),
          control: () => void world.control(),
          view: () => world.show([deviceView(3)]),
          tick: () => world.clock.advance(3),
        };
        for (const one of steps) act[one]?.();
        for (let i = 0; i < 8; i++) {
          world.settle();
          world.clock.advance(1000);
        }
        expect(world.answered).toBe(true);
        expect(events(world.trace, 'unmask')).toBe(events(world.trace, 'event'));
        // And it goes on.
        world.ask(0);
        world.settle();
        expect(world.answered).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

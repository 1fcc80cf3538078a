// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { RehearsalLane } from '../../../core/lane/index.ts';
import { Owner, SeatWord } from '../../../core/lane/shared.ts';

const seated = () => {
  const calls: string[] = [];
  const note = (call: string) => () => {
    calls.push(call);
  };
  const channel = { port: 7, notify: note('notify'), unmask: note('unmask'), close: note('close') };
  const lane = new RehearsalLane();
  const seat = lane.seat(channel, new SharedArrayBuffer(4096), note('left work'));
  return { calls, lane, seat, words: new Int32Array(seat.memory) };
};

it('nobody waits for a seat that was left with a lane by hand', () => {
  const { calls, seat, words } = seated();
  Atomics.store(words, SeatWord.owner, Owner.lane);
  seat.close();
  expect(calls).toEqual(['left work', 'close']);
});

it('a lane by hand unmasks once for each event that it tells of, or leaves that to the control thread', () => {
  const { calls, lane, seat } = seated();
  const ways = Array.from({ length: 8 }, () => {
    lane.tell(() => {
      seat.unmask();
      calls.push('given back');
    });
    return calls.splice(0).join();
  });
  expect(new Set(ways)).toEqual(new Set(['unmask,given back', 'given back,unmask']));
});

it('what a lane by hand owes is unmasked when the control thread has given the seat back', () => {
  const { calls, lane, seat } = seated();
  for (let event = 0; event < 4; event++) {
    lane.tell(() => undefined);
    lane.settle();
    expect(calls).toEqual([]);
    seat.unmask();
    lane.settle();
    lane.settle();
    expect(calls.splice(0)).toEqual(['unmask']);
  }
});

it('a lane by hand does nothing after its guest has gone', () => {
  const { calls, lane, seat } = seated();
  seat.close();
  calls.splice(0);
  lane.tell(() => calls.push('event'));
  lane.settle();
  expect([lane.hear(), ...calls]).toEqual(['nothing']);
});

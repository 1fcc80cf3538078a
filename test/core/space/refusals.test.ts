// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { Refusals } from '../../../core/space/refusals.ts';

const taken = (refusals: Refusals): number[][] => {
  const all: number[][] = [];
  refusals.take((...one) => all.push(one));
  return all;
};

it('are taken once, in the order in which they were first noted, with their count and the last value', () => {
  const refusals = new Refusals();
  const note = (offset: number, value: number) => refusals.note(refusals.placeFor(8, offset, 2, 0xff), value);
  note(4, 1);
  note(6, 2);
  note(4, 3);
  expect(refusals.any).toBe(true);
  expect(taken(refusals)).toEqual([
    [8, 4, 2, 3, 0xff, 2],
    [8, 6, 2, 2, 0xff, 1],
  ]);
  expect(refusals.any).toBe(false);
  expect(taken(refusals)).toEqual([]);
  note(6, 9);
  expect(taken(refusals)).toEqual([[8, 6, 2, 9, 0xff, 1]]);
});

it('have room for 64 distinct ones; then there is none, but for those that are noted', () => {
  const refusals = new Refusals();
  for (let i = 0; i < 64; i++) refusals.note(refusals.placeFor(8, 4 * i, 4, 1), i);
  expect(refusals.placeFor(8, 0x400, 4, 1)).toBe(-1);
  expect(refusals.placeFor(8, 4, 4, 1)).toBeGreaterThan(0);
  expect(taken(refusals)).toHaveLength(64);
});

it('are seen by whoever has the same memory', () => {
  const lane = new Refusals();
  lane.note(lane.placeFor(8, 4, 4, -1), -2);
  expect(taken(new Refusals(lane.memory))).toEqual([[8, 4, 4, -2, -1, 1]]);
});

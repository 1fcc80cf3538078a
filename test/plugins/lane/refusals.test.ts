// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import type { RefusedWrite } from '../../../core/space/refusal.ts';
import { Refusals } from '../../../plugins/lane/refusals.ts';

const ADDRESS = 8;
const write: RefusedWrite = { offset: 4, size: 2, value: 0, mask: 0xff, times: 1 };
const taken = (refusals: Refusals): [number, RefusedWrite][] => {
  const all: [number, RefusedWrite][] = [];
  refusals.take((address, one) => all.push([address, { ...one }]));
  return all;
};

it('are taken once, in the order in which they were first noted, with their count and the last value', () => {
  const refusals = new Refusals();
  const note = (offset: number, value: number) => refusals.add(ADDRESS, { ...write, offset, value });
  note(4, 1);
  note(6, 2);
  note(4, 3);
  expect(refusals.any).toBe(true);
  expect(taken(refusals)).toEqual([
    [ADDRESS, { ...write, value: 3, times: 2 }],
    [ADDRESS, { ...write, offset: 6, value: 2 }],
  ]);
  expect(refusals.any).toBe(false);
  expect(taken(refusals)).toEqual([]);
  note(6, 9);
  expect(taken(refusals)).toEqual([[ADDRESS, { ...write, offset: 6, value: 9 }]]);
});

it('have room for 64 distinct ones; then there is none, but for those that are noted', () => {
  const refusals = new Refusals();
  for (let i = 0; i < 64; i++) {
    expect(refusals.isFull).toBe(false);
    refusals.add(ADDRESS, { ...write, offset: 4 * i, size: 4, mask: 1 });
  }
  expect(refusals.isFull).toBe(true);
  refusals.add(ADDRESS, { ...write, offset: 0x400, size: 4, mask: 1 });
  refusals.add(ADDRESS, { ...write, offset: 4, size: 4, mask: 1 });
  const all = taken(refusals);
  expect(all).toHaveLength(64);
  expect(all.map(([, { times }]) => times)).toEqual([1, 2, ...new Array<number>(62).fill(1)]);
});

it('are seen by whoever has the same memory', () => {
  const thread = new Refusals();
  const one = { ...write, size: 4, mask: -1, value: -2 };
  thread.add(ADDRESS, one);
  expect(taken(new Refusals(thread.memory))).toEqual([[ADDRESS, one]]);
});

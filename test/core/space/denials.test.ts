// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { DenialRecord } from '../../../core/space/denials.ts';
import type { Refusal } from '../../../core/space/refusal.ts';

const nic = bdf(0, 3, 0);
const refusal: Refusal = { offset: 4, size: 2, value: 0, mask: 0xff, times: 1, owner: 'fields', why: 'read only' };

it('has room for so many distinct refusals and counts the others', () => {
  const record = new DenialRecord(1, 4);
  for (let offset = 0; offset < 24; offset += 4) record.record(nic, { ...refusal, offset, size: 4 });
  expect(record.list().map(({ offset }) => offset)).toEqual([0, 4, 8, 12]);
  expect([record.total, record.overflow]).toEqual([6, 2]);
});

it('counts a refusal that is in it, with the value that was written last', () => {
  const record = new DenialRecord(1, 4);
  const add = (value: number, times = 1) =>
    record.record(nic, { ...refusal, value, mask: 0x8000_0000 | 0, times, why: 'rule', owner: 'acme' });
  expect(add(1)).toMatchObject({ offset: 4, value: 1, mask: 0x80000000, count: 1 });
  expect([add(-1), add(2, 5)]).toEqual([undefined, undefined]);
  expect(record.list()).toEqual([
    { bdf: nic, guest: 1, offset: 4, size: 2, value: 2, mask: 0x80000000, owner: 'acme', why: 'rule', count: 7 },
  ]);
  expect(record.total).toBe(7);
});

it.each<[string, number, Partial<Refusal>]>([
  ['device', bdf(0, 4, 0), {}],
  ['offset', nic, { offset: 6 }],
  ['size', nic, { size: 1 }],
  ['bits', nic, { mask: 0xfe }],
  ['rule', nic, { why: 'locked' }],
])('tells refusals apart that differ in %s', (_, device, other) => {
  const record = new DenialRecord(1, 4);
  record.record(nic, refusal);
  record.record(device as typeof nic, { ...refusal, ...other });
  expect(record.list().map(({ count }) => count)).toEqual([1, 1]);
});

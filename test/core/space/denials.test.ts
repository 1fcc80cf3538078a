// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { DenialRecord } from '../../../core/space/denials.ts';

const nic = bdf(0, 3, 0);
const recordOf = (capacity: number) => new DenialRecord(1, () => ({ owner: 'fields', why: 'read only' }), capacity);

it('has room for so many distinct refusals and counts the others', () => {
  const record = recordOf(4);
  for (let offset = 0; offset < 24; offset += 4) record.record(nic, offset, 4, offset, 0xff, undefined, undefined);
  expect(record.list().map(({ offset }) => offset)).toEqual([0, 4, 8, 12]);
  expect([record.total, record.overflow]).toEqual([6, 2]);
});

it('counts a refusal that is in it, with the value that was written last', () => {
  const record = recordOf(4);
  const add = (value: number, times?: number) =>
    record.record(nic, 4, 2, value, 0x8000_0000 | 0, 'rule', 'acme', times);
  expect(add(1)).toMatchObject({ offset: 4, value: 1, mask: 0x80000000, count: 1 });
  expect([add(-1), add(2, 5)]).toEqual([undefined, undefined]);
  expect(record.list()).toEqual([
    { bdf: nic, guest: 1, offset: 4, size: 2, value: 2, mask: 0x80000000, owner: 'fields', why: 'read only', count: 7 },
  ]);
  expect(record.total).toBe(7);
});

it.each<[string, [number, number, number, number, string | undefined]]>([
  ['device', [bdf(0, 4, 0), 4, 2, 0xff, undefined]],
  ['offset', [nic, 6, 2, 0xff, undefined]],
  ['size', [nic, 4, 1, 0xff, undefined]],
  ['bits', [nic, 4, 2, 0xfe, undefined]],
  ['rule', [nic, 4, 2, 0xff, 'locked']],
])('tells refusals apart that differ in %s', (_, [device, offset, size, mask, rule]) => {
  const record = recordOf(4);
  record.record(nic, 4, 2, 0, 0xff, undefined, undefined);
  record.record(device as typeof nic, offset, size, 0, mask, rule, undefined);
  expect(record.list().map(({ count }) => count)).toEqual([1, 1]);
});

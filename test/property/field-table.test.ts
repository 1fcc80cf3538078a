// SPDX-License-Identifier: MIT

import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bundledSets } from '../kit/bundled-sets.ts';
import { declaredMasks, type FieldMasks } from '../kit/field-masks.ts';
import { FieldTable, rowsOf } from './field-rows.ts';

const file = resolve(import.meta.dirname, '../fixtures/field-masks.json');
const sets = await bundledSets();

// The masks are data of their own: written by the code on demand (UPDATE_FIELD_MASKS=1), read by people in a review.
if (process.env.UPDATE_FIELD_MASKS === '1') {
  writeFileSync(file, `${JSON.stringify(declaredMasks(sets), undefined, 2)}\n`);
}
const masks = JSON.parse(readFileSync(file, 'utf8')) as FieldMasks;

const counted = new Map<string, number>();
const rows = sets.flatMap(({ set }) => set.registers.flatMap((one) => rowsOf(set, one)));

describe('the table of declared fields', () => {
  it('has the masks of every bundled set and register, and of none else', () => {
    const names = (all: FieldMasks): string[] =>
      Object.entries(all).flatMap(([set, registers]) => Object.keys(registers).map((one) => `${set} / ${one}`));
    const update = 'UPDATE_FIELD_MASKS=1 npx vitest run test/property/field-table.test.ts, then read the difference';
    expect(names(declaredMasks(sets)), update).toEqual(names(masks));
    const declared = sets.reduce((sum, { set }) => sum + set.registers.length, 0);
    expect(names(masks), 'two registers of a set have one place, width and name').toHaveLength(declared);
  });

  it.each(sets.map((one) => [one.key, one] as const))('%s does what its masks say', (key, { set }) => {
    const table = new FieldTable(set, masks[key] ?? {});
    for (const one of set.registers) {
      for (const row of rowsOf(set, one)) {
        expect(table.check(set, row)).toBeUndefined();
        expect(table.explains(set, row), `explanation of ${row.size} at ${row.offset}`).toBe(true);
        const name = `${row.reach} ${row.access}`;
        counted.set(name, (counted.get(name) ?? 0) + 1);
      }
    }
  });

  it('meets every register whole or spanning, in both directions', () => {
    expect(rows.length).toBeGreaterThan(1000);
    for (const access of ['read', 'write']) {
      for (const reach of ['full', 'partial', 'spanning']) {
        expect(rows.some((row) => row.access === access && row.reach === reach)).toBe(true);
      }
    }
  });

  afterAll(() => {
    const total = [...counted.values()].reduce((sum, count) => sum + count, 0);
    const parts = [...counted].map(([name, count]) => `${name} ${count}`).join(', ');
    process.stdout.write(`field table: ${total} rows (${parts}), each with 4 pairs of values\n`);
  });
});

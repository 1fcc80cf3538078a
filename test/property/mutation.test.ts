// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FieldSet, Register } from '../../core/space/declaration.ts';
import { bundledSets } from '../kit/bundled-sets.ts';
import { type FieldMasks, kindOf } from '../kit/field-masks.ts';
import { FieldTable, rowsOf, withClaims } from './field-rows.ts';

const file = resolve(import.meta.dirname, '../fixtures/field-masks.json');
const masks = JSON.parse(readFileSync(file, 'utf8')) as FieldMasks;

/** A register in which one bit of one claim is flipped: taken away, or taken from whoever had it. */
const flipped = (one: Register, claim: number, bit: number): Register =>
  withClaims(
    one,
    one.claims.map((each, index) => ({
      ...each,
      mask: (index === claim ? each.mask ^ bit : each.mask & ~bit) >>> 0,
    })),
  );

const replaced = (set: FieldSet, one: Register, by: Register): FieldSet => ({
  ...set,
  registers: set.registers.map((each) => (each === one ? by : each)),
});

/** Rows whose access meets the bit come first; wide ones see most at once. */
const rowsAround = (set: FieldSet, one: Register) =>
  rowsOf(set, one).sort((first, second) => second.size - first.size || (first.access === 'write' ? -1 : 1));

describe('mutation', () => {
  it('a flipped bit of any mask of any bundled field or quirk is noticed', async () => {
    const survivors: string[] = [];
    const unsound: string[] = [];
    let mutants = 0;
    let byValue = 0;
    for (const { key, set } of await bundledSets()) {
      const table = new FieldTable(set, masks[key] ?? {});
      for (const one of set.registers) {
        const rows = rowsAround(set, one);
        // Where the original is already wrong, a mutant that is wrong says nothing.
        if (rows.some((row) => table.check(set, row) !== undefined || !table.explains(set, row))) {
          unsound.push(`${key} / ${one.name}`);
          continue;
        }
        for (const [index, claim] of one.claims.entries()) {
          const sameKind = one.claims.filter((other) => other !== claim && kindOf(other) === kindOf(claim));
          for (let i = 0; i < one.width; i++) {
            // A bit that goes from one claim to another of the same kind: nothing has changed.
            if (sameKind.some((other) => ((other.mask >>> i) & 1) === 1)) continue;
            mutants++;
            const mutant = replaced(set, one, flipped(one, index, 2 ** i));
            if (rows.some((row) => table.check(mutant, row) !== undefined)) byValue++;
            else if (rows.every((row) => table.explains(mutant, row))) {
              survivors.push(`${key} / ${one.name}: bit ${i} of ${claim.policy}`);
            }
          }
        }
      }
    }
    const score = ((100 * (mutants - survivors.length)) / mutants).toFixed(2);
    process.stdout.write(
      `mutation of masks: ${mutants} mutants, score ${score} % (${byValue} by a value, the rest by its explanation)\n`,
    );
    expect(unsound).toEqual([]);
    expect(survivors).toEqual([]);
    expect(mutants).toBeGreaterThan(1000);
  }, 120_000);
});

// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Operation {
  readonly device: string;
  readonly kind: string;
  readonly offset: number;
  readonly size: number;
  readonly written: number;
  readonly result: number;
}
interface Difference {
  readonly index: number;
  readonly kernel?: Operation;
  readonly ours?: Operation;
}
interface Rule {
  readonly id: string;
  explains(difference: Difference): boolean;
}
interface Compare {
  operationsIn(console: string): Operation[];
  isComplete(console: string, operations: readonly Operation[]): boolean;
  differences(kernel: readonly Operation[], ours: readonly Operation[]): Difference[];
  explain(
    found: readonly Difference[],
    rules: readonly Rule[],
  ): { counts: Map<string, number>; unexplained: Difference[] };
}
const load = (file: string): Promise<unknown> =>
  import(/* @vite-ignore */ join(import.meta.dirname, 'differential', file));
const { operationsIn, isComplete, differences, explain } = (await load('compare.mjs')) as Compare;
const { rules } = (await load('rules.mjs')) as { readonly rules: readonly Rule[] };

const console_ = (last: string): string =>
  [
    '=== GUEST UP',
    'OP 0000:00:00.0 r 0 4 0 10d38086\r',
    'noise OP',
    `OP 0000:00:00.0 w 4 2 7 ${last}`,
    'OPS 0000:00:00.0 2',
  ].join('\n');

describe('the comparison of two guests', () => {
  it('reads operations out of a console, and knows whether all are there', () => {
    const operations = operationsIn(console_('100007'));
    expect(operations).toHaveLength(2);
    expect(operations[1]).toEqual({
      device: '0000:00:00.0',
      kind: 'w',
      offset: 4,
      size: 2,
      written: 7,
      result: 0x100007,
    });
    expect(isComplete(console_('1'), operations)).toBe(true);
    expect(isComplete(console_('1'), operations.slice(1))).toBe(false);
    expect(isComplete('', [])).toBe(false);
  });

  it('finds a difference in an answer, in a question, and a missing end', () => {
    const [kernel, ours] = [operationsIn(console_('100007')), operationsIn(console_('100003'))];
    expect(differences(kernel, kernel)).toEqual([]);
    expect(differences(kernel, ours).map((one) => one.index)).toEqual([1]);
    expect(differences(kernel, ours.slice(0, 1))).toMatchObject([{ index: 1, ours: undefined }]);
  });

  it('counts what a rule explains and keeps the rest', () => {
    const found = differences(operationsIn(console_('1')), operationsIn(console_('2')));
    const at4: Rule = { id: 'X', explains: ({ kernel }) => kernel?.offset === 4 };
    const never: Rule = { id: 'Y', explains: () => false };
    expect(explain(found, [never, at4])).toEqual({
      counts: new Map([
        ['Y', 0],
        ['X', 1],
      ]),
      unexplained: [],
    });
    expect(explain(found, [never]).unexplained).toHaveLength(1);
  });
});

describe('the rules', () => {
  it('are the rows of the deviations page', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/reference/deviations.md'), 'utf8');
    const rows = [...page.matchAll(/^\| (V-\d+) \|/gm)].map((match) => match[1]);
    expect(rules.map((rule) => rule.id)).toEqual(rows);
  });
});

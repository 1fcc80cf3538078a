// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inCaret } from '../../../core/plugin/api-range.ts';
import { inAnyRange } from '../../../core/plugin/semver-range.ts';

const number = fc.constantFrom('0', '1', '2', '3', '10', '01', '999999999', '9007199254740993');
const dotted = fc.array(number, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'));
const tail = fc.constantFrom('', '', '', '', '-rc.1', '+build', ' ', '\n', '.x', ' || ^2');
const range = fc
  .tuple(fc.constantFrom('^', '^', '^', '~', '>=', '', 'v', '^v', ' ^'), dotted, tail)
  .map((parts) => parts.join(''));
const version = fc
  .tuple(number, number, number, fc.constantFrom('', '', '', '-rc.1', '+b'))
  .map(([major, minor, patch, end]) => `${major}.${minor}.${patch}${end}`);

describe('a range with a caret, judged without semver', () => {
  it.each([
    ['1.0.0', '^1.0', true],
    ['1.2.3', '^1', true],
    ['1.2.3', '^1.2.4', false],
    ['2.0.0', '^1.0', false],
    ['1.0.0-rc.1', '^1.0', undefined],
    ['0.2.0', '^0.1', undefined],
    ['1.0.0', '>=1', undefined],
  ])('%s in %s: %s', (offered, wanted, verdict) => {
    expect(inCaret(offered, wanted)).toBe(verdict);
  });

  it('comes to what semver comes to', () => {
    fc.assert(
      fc.property(version, range, (offered, wanted) => {
        const verdict = inCaret(offered, wanted);
        if (verdict !== undefined) expect(verdict).toBe(inAnyRange(offered, wanted));
      }),
      { numRuns: 5000 },
    );
  });
});

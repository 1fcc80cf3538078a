// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { columns, cut, folded } from '../../plugins/columns.ts';

it('columns are as wide as their widest cell', () => {
  expect(
    columns([
      ['a', 'long name', 'c'],
      ['abc', 'd', ''],
    ]),
  ).toEqual(['a    long name  c', 'abc  d          ']);
});

it('the last column is folded between words where a row would be too long', () => {
  expect(
    columns(
      [
        ['name', 'what'],
        ['eth', 'a card that says more than there is room for'],
      ],
      30,
    ),
  ).toEqual(['name  what', 'eth   a card that says more', '      than there is room for']);
});

it('folds words, and leaves one that is too long as it is', () => {
  expect(folded('one two three', 7)).toEqual(['one two', 'three']);
  expect(folded('/a/very/long/path and', 8)).toEqual(['/a/very/long/path', 'and']);
  expect(folded('', 8)).toEqual(['']);
});

it('cuts a name, and shows no control byte', () => {
  expect(cut('abcdef', 4)).toBe('abc…');
  expect(cut('abcd', 4)).toBe('abcd');
  expect(columns([['a\x1b[2Jb\n', 'c\x9b']])).toEqual(['a·[2Jb·  c·']);
});

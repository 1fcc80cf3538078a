// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { cleanOutput, cleanText } from '../../plugins/clean-text.ts';

it.each([
  ['plain\ttext\nwith “é” and 🂡', 'plain\ttext\nwith “é” and 🂡'],
  ['\x1b]0;owned\x07', '\\x1b]0;owned\\x07'],
  ['\x1b[2J\x9b2J\x7f\r', '\\x1b[2J\\x9b2J\\x7f\\x0d'],
  ['abc\u202edcba\u2066', 'abc\\u202edcba\\u2066'],
  ['half \ud800 of one', 'half \\ud800 of one'],
])('%j is shown as %j', (text, shown) => {
  expect(cleanText(text)).toBe(shown);
});

it('what a command prints may have colours, and nothing else', () => {
  expect(cleanOutput('\x1b[31mred\x1b[0m \x1b[1;4mx\x1b[39m')).toBe('\x1b[31mred\x1b[0m \x1b[1;4mx\x1b[39m');
  expect(cleanOutput('\x1b[31mred\x1b[8;1H\x1bc')).toBe('\x1b[31mred\\x1b[8;1H\\x1bc');
  expect(cleanText('\x1b[31m')).toBe('\\x1b[31m');
});

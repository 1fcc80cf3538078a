// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { parseJson } from '../../plugins/json.ts';

it.each([
  ['\uFEFF{"a": [1, -2.5e3, true, null, "x\\u00e9\\n"]}', { a: [1, -2500, true, null, 'xé\n'] }],
  [' [ ] ', []],
  ['{}', {}],
  ['"a"', 'a'],
  ['{"a": {"x": 1}, "b": {"x": 2}}', { a: { x: 1 }, b: { x: 2 } }],
])('%s is read', (text, value) => {
  expect(parseJson(text)).toEqual(value);
});

it.each([
  ['', 'line 1 column 1: expected a value, found the end'],
  ['{"a": 1,}', 'line 1 column 9: expected a key in double quotes, found "}"'],
  ['{\n  // note\n}', 'line 2 column 3: expected a key in double quotes, found "/"'],
  ["{'a': 1}", `line 1 column 2: expected a key in double quotes, found "'"`],
  ['{"a" 1}', 'line 1 column 6: expected ":", found "1"'],
  ['[1 2]', 'line 1 column 4: expected "," or "]", found "2"'],
  ['{"a": 0x10}', 'line 1 column 8: expected "," or "}", found "x10"'],
  ['{"a": 010}', 'line 1 column 8: expected "," or "}", found "10"'],
  ['{"a": "x\ny"}', 'line 1 column 7: expected a value, found "\\""'],
  ['{} {}', 'line 1 column 4: expected the end, found "{"'],
  ['{\r\n"a": yes\r\n}', 'line 2 column 6: expected a value, found "yes"'],
  ['{"a": 1,\n "b": 2,\n "a": 3}', 'line 3 column 2: the key "a" is there twice, first in line 1 column 2'],
  ['{"x": [{"a": 1, "a": 1}]}', 'line 1 column 17: the key "a" is there twice, first in line 1 column 9'],
  ['['.repeat(600), 'line 1 column 502: more than 500 levels'],
])('%s is refused', (text, message) => {
  expect(() => parseJson(text)).toThrow(new SyntaxError(message));
});

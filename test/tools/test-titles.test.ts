// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testTitles } from './test-titles.ts';

it('titles are whole ones, of tests that are run', () => {
  const home = mkdtempSync(join(tmpdir(), 'pciback-titles-'));
  try {
    const file = join(home, 'a.test.ts');
    writeFileSync(
      file,
      `describe('a group', () => {
         it('one', () => {});
         it.each([1])("each %i", () => {});
         it.each\`a\`(\`tagged\`, () => {});
         test('another', { timeout: 1 }, () => {});
         it.todo('later'); it.skip('left out', () => {}); it.fails('wrong', () => {});
         it.todo.each([1])('later %i', () => {});
         expect('no title').toBe('one more');
       });`,
    );
    expect([...testTitles(file)]).toEqual(['one', 'each %i', 'tagged', 'another']);
  } finally {
    rmSync(home, { recursive: true });
  }
});

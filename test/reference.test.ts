// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { referencePages } from './kit/reference.ts';

const root = resolve(import.meta.dirname, '..');
const docs = join(root, 'docs');

describe('generated reference pages', () => {
  it.each(Object.entries(referencePages()))('%s is what the code says (npm run docs)', (path, text) => {
    const file = join(docs, path);
    if (process.env.UPDATE_REFERENCE === '1') writeFileSync(file, text);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });
});

/** Markdown files of the project, relative to its root. */
const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(docs, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('links between pages', () => {
  it.each(pages)('%s points at files that exist', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const targets = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    const missing = targets.filter(
      (target) => !target.includes('://') && !existsSync(resolve(root, page, '..', target)),
    );
    expect(missing).toEqual([]);
  });
});

describe('the table of seeds', () => {
  const text = readFileSync(join(docs, 'reference/seeds.md'), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| `[0-9a-f]{10}` \|/.test(line));

  it('has the 18 seeds', () => {
    expect(rows).toHaveLength(18);
  });

  it('names only tests that exist, or says "not yet"', () => {
    for (const row of rows) {
      const tests = [...row.matchAll(/`((?:test|core|plugins)\/[^`]+)`: "([^"]+)"/g)];
      if (tests.length === 0) expect(row).toMatch(/not yet|no behaviour/);
      for (const [, file, title] of tests) expect(readFileSync(join(root, file ?? ''), 'utf8')).toContain(title);
    }
  });
});

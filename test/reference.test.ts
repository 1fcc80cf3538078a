// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { namedCapabilities } from '../plugins/capability-names.ts';
import { referencePages } from './kit/reference.ts';
import { testTitles } from './tools/test-titles.ts';

const root = resolve(import.meta.dirname, '..');
const docs = join(root, 'docs');

const generated = Object.entries(await referencePages());

describe('generated reference pages', () => {
  it.each(generated)('%s is what the code says (npm run docs)', (path, text) => {
    const file = join(docs, path);
    if (process.env.UPDATE_REFERENCE === '1') writeFileSync(file, text);
    expect(readFileSync(file, 'utf8')).toBe(text);
  });
});

/** Markdown files of the project, relative to its root. */
const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  '.changeset/README.md',
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

/** Rows of a table that names tests by their whole titles: each has to name one that is run, or say why not. */
const checkRows = (rows: readonly string[]): void => {
  const unknown: string[] = [];
  for (const row of rows) {
    const tests = [...row.matchAll(/`((?:test|core|plugins)\/[^`]+)`: "([^"]+)"/g)];
    if (tests.length === 0) expect(row).toMatch(/not yet|no behaviour/);
    for (const [named, file = '', title = ''] of tests) {
      if (!testTitles(join(root, file)).has(title)) unknown.push(named);
    }
  }
  expect(unknown).toEqual([]);
};

const rowsOf = (page: string, row: RegExp): string[] =>
  readFileSync(join(docs, page), 'utf8')
    .split('\n')
    .filter((line) => row.test(line));

describe('the table of seeds', () => {
  const rows = rowsOf('reference/seeds.md', /^\| `[0-9a-f]{10}` \|/);

  it('has the 18 seeds', () => {
    expect(rows).toHaveLength(18);
  });

  it('names only tests that exist, or says "not yet"', () => {
    checkRows(rows);
  });
});

describe('the table of config-space defects', () => {
  const rows = rowsOf('reference/config-space-defects.md', /^\| `D-C\d+` \|/);

  it('has every defect once', () => {
    const numbers = rows.map((row) => Number(/D-C(\d+)/.exec(row)?.[1]));
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it('names only tests that exist, or says "not yet"', () => {
    checkRows(rows);
  });
});

describe('the table of xenstore defects', () => {
  const rows = rowsOf('reference/xenstore-defects.md', /^\| `D-X\d+` \|/);

  it('has every defect once', () => {
    const numbers = rows.map((row) => Number(/D-X(\d+)/.exec(row)?.[1]));
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('names only tests that exist, or says "not yet"', () => {
    checkRows(rows);
  });
});

describe('the table of capabilities', () => {
  const rows = rowsOf('reference/capabilities.md', /^\| `[a-z0-9-]+` \|/).map((row) => row.split('|').slice(1, -1));

  it('has every capability of both lists', () => {
    expect(rows).toHaveLength(namedCapabilities.length);
  });

  it('has no empty cell', () => {
    expect(rows.filter((cells) => cells.length !== 7 || cells.some((cell) => cell.trim() === ''))).toEqual([]);
  });
});

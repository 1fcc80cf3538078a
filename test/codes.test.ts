// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const PAGE = 'docs/reference/codes.md';
const SEEDS = 'docs/reference/seeds.md';

const CODE = /\b(?:D-[A-Z]\d+|S-\d+|XSA-\d+|CVE-\d{4}-\d+)\b/g;
const SEED = /\bseeds? ([0-9a-f]{10})\b/g;

/** Texts in which codes are used, by path: the pages that explain them are none. */
const texts = (): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  for (const folder of ['core', 'plugins', 'quirks', 'test', 'docs']) {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name).slice(ROOT.length + 1);
      if (entry.isFile() && /\.(ts|mjs|md)$/.test(path) && path !== PAGE && path !== 'test/codes.test.ts') {
        found.set(path, readFileSync(join(ROOT, path), 'utf8'));
      }
    }
  }
  return found;
};

/** What a text explains: codes at the beginning of a table's row. */
const rowsOf = (page: string): readonly string[] =>
  [...page.matchAll(/^\| `([^`]+)` \| [^|\s]/gm)].map((match) => match[1] ?? '');

/** Codes without a row, with a place where each is used; rows of codes that nothing uses; rows that are there twice. */
const wrongWith = (used: ReadonlyMap<string, string>, page: string) => {
  const rows = rowsOf(page);
  const uses = new Map<string, string>();
  for (const [path, text] of used) for (const [code] of text.matchAll(CODE)) uses.set(code, path);
  return {
    missing: [...uses].filter(([code]) => !rows.includes(code)).map(([code, path]) => `${code} in ${path}`),
    unused: rows.filter((code) => !uses.has(code)),
    twice: rows.filter((code, index) => rows.indexOf(code) !== index),
  };
};

describe('codes in comments', () => {
  it('are explained on their page, and each that is explained there is used', () => {
    const page = readFileSync(join(ROOT, PAGE), 'utf8');
    expect(wrongWith(texts(), page)).toEqual({ missing: [], unused: [], twice: [] });
  });

  it('name seeds that the table of seeds has', () => {
    const rows = rowsOf(readFileSync(join(ROOT, SEEDS), 'utf8'));
    expect(rows).toHaveLength(18);
    const seeds = [...texts().values()].flatMap((text) => [...text.matchAll(SEED)].map((match) => match[1]));
    expect(seeds.length).toBeGreaterThan(0);
    expect(seeds.filter((seed) => !rows.includes(seed ?? ''))).toEqual([]);
  });

  it('are missed, and found to be unused or explained twice', () => {
    const used = new Map([['core/a.ts', '// as D-C1 says, for XSA-120 (S-2, CVE-2015-8553); not D-c9, US-1']]);
    const page = '| code | |\n| `D-C1` | x |\n| `D-C1` | x |\n| `S-2` | x |\n| `S-20` | x |\n| `XSA-120` | |\n';
    expect(wrongWith(used, page)).toEqual({
      missing: ['XSA-120 in core/a.ts', 'CVE-2015-8553 in core/a.ts'],
      unused: ['S-20'],
      twice: ['D-C1'],
    });
  });
});

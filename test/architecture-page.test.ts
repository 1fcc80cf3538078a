// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { importsOf, sourceFiles } from './tools/imports.ts';

/** The first column of the page's table of folders: in each row the folders, or files beside them, of one level. */
const levelsOf = (page: string): readonly (readonly string[])[] =>
  [...page.matchAll(/^\| (`(?:core|plugins)\/[^|]*`) \|/gm)].map(([, cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );

/** The folder below `core` or `plugins` that a file lies in; the file itself if it lies beside them. */
const unitOf = (path: string): string => path.split('/').slice(0, 2).join('/');

/** Imports between units of core that do not point to a row above, or to another unit of the same row. */
const againstOrder = (
  files: ReadonlyMap<string, string>,
  levels: readonly (readonly string[])[],
): readonly string[] => {
  const level = (path: string): number => levels.findIndex((names) => names.includes(unitOf(path)));
  return [...files].flatMap(([path, text]) =>
    importsOf(text).flatMap(({ module }) => {
      const target = join(dirname(path), module);
      if (!path.startsWith('core/') || !files.has(target) || level(path) < 0) return [];
      return level(target) <= level(path) ? [] : [`${path} → ${target}`];
    }),
  );
};

describe('docs/architecture.md', () => {
  const levels = levelsOf(readFileSync(new URL('../docs/architecture.md', import.meta.url), 'utf8'));
  const files = sourceFiles();

  it('names every folder of core and of the plugins, once', () => {
    const units = [...files.keys()].map(unitOf).filter((unit) => /^(core|plugins)\/[^.]+$/.test(unit));
    const named = levels.flat();
    expect([...new Set(units)].filter((unit) => !named.includes(unit))).toEqual([]);
    expect(named.filter((name, index) => named.indexOf(name) !== index)).toEqual([]);
  });

  it('has the folders of core in the order in which they are built on each other', () => {
    expect(againstOrder(files, levels)).toEqual([]);
  });

  it('is not followed by an import of what comes later', () => {
    const page = '| `core/ring` | x |\n| `core/a.ts`, `core/b.ts` | x |\n| `core/space` | x |\n';
    const house = new Map([
      ['core/ring/ring.ts', 'import type { t } from "../space/table.ts";'],
      ['core/a.ts', 'import "./b.ts"; import "./ring/ring.ts";'],
      ['core/b.ts', 'export * from "./space/table.ts";'],
      ['core/space/table.ts', 'import "./more.ts"; import "../a.ts";'],
      ['core/space/more.ts', ''],
    ]);
    expect(againstOrder(house, levelsOf(page))).toEqual([
      'core/ring/ring.ts → core/space/table.ts',
      'core/b.ts → core/space/table.ts',
    ]);
  });
});

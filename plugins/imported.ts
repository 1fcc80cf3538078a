// SPDX-License-Identifier: MIT

import { readFileSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What the program itself gives to files that import it by name: its doors, see `plugins/program/doors.ts`. */
const isDoor = (name: string): boolean => /^(?:pciback(?:\/|$)|zod$)/.test(name);

/** Modules of the engine, and addresses of what lies in no file. */
const isNoFile = (name: string): boolean => isBuiltin(name) || /^(?!file:)[a-z][\w+.-]*:/i.test(name);

/** Names behind `from`, `import` and `require`; one that stands in a comment costs a look at a file. */
const NAMES = /\b(?:from|import|require)\s*\(?\s*(['"])([^'"\n]+)\1/g;

const code: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

const textOf = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // Whoever imports it hears why.
    if ((error as NodeJS.ErrnoException).code !== undefined) return '';
    throw error;
  }
};

/**
 * A file and all files that it imports, also through others and from packages; not what the doors are. Names that code makes up
 * while it runs are not found.
 */
export const filesOf = async (entry: string): Promise<readonly string[]> => {
  const found = new Set([entry]);
  const { createJiti } = await import('jiti');
  // A set is gone through with what is added meanwhile.
  for (const file of found) {
    if (!code.has(extname(file))) continue;
    const from = pathToFileURL(file).href;
    const { esmResolve } = createJiti(from, { fsCache: false });
    for (const [, , name = ''] of textOf(file).matchAll(NAMES)) {
      if (isDoor(name) || isNoFile(name)) continue;
      const target = esmResolve(name, { parentURL: from, conditions: ['node', 'import'], try: true });
      if (target === undefined || !/^(file:|\/)/.test(target)) continue;
      found.add(target.startsWith('file:') ? fileURLToPath(target) : target);
    }
  }
  return [...found];
};

/** File systems count time in steps of the kernel's clock, milliseconds. */
const CLOCK_STEP = 10;

/** What tells that a file was written since it was looked at. */
export const markOf = (file: string): string => {
  const facts = statSync(file, { throwIfNoEntry: false });
  return facts === undefined ? 'gone' : `${facts.mtimeMs} ${facts.ctimeMs} ${facts.size} ${facts.ino}`;
};

/** The same of a file and all that it imports. */
export const markOfAll = async (entry: string): Promise<string> =>
  (await filesOf(entry)).map((file) => `${file} ${markOf(file)}`).join();

/**
 * The first of these files that was written, or put in its place, since a time.
 *
 * @param since as `Date.now()` has it
 */
export const changedSince = (files: readonly string[], since: number): string | undefined =>
  files.find((file) => {
    const facts = statSync(file, { throwIfNoEntry: false });
    return facts === undefined || facts.ctimeMs >= since - CLOCK_STEP;
  });

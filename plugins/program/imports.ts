// SPDX-License-Identifier: MIT

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, extname, join, resolve, sep } from 'node:path';
import { ownPackage } from '../package-folder.ts';
import { assertTrusted, type Onlooker } from '../trust.ts';
import { resolveFrom } from './packages.ts';

/**
 * Texts that follow a word with which a file names another: `from`, `import`, `require` and `new URL`, for threads. Comments and
 * texts that look like that count too: a file too many is looked at, none too few.
 */
const NAMES = /\b(from|import|require(?:\.resolve)?|URL)\s*\(?\s*(?:\/\*[\s\S]*?\*\/\s*)*(["'`])([^"'`\n$]+)\2/g;

const CODE = /\.[cm]?[jt]sx?$/;
/** What the loader for TypeScript adds to a name without one. */
const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.tsx', '.mts', '.cts', '.json'];

const isFile = (path: string): boolean => {
  try {
    return statSync(path).isFile();
  } catch {
    // Of names in a text most lead nowhere, for many a reason; whoever imports one that should not is told.
    return false;
  }
};

/** A path as both loaders would complete it; of several that there are all count. */
const completed = (path: string): readonly string[] => {
  if (isFile(path)) return [path];
  const stem = path.slice(0, path.length - extname(path).length);
  return [
    ...EXTENSIONS.map((extension) => `${path}${extension}`),
    ...EXTENSIONS.map((extension) => join(path, `index${extension}`)),
    ...['.ts', '.tsx', '.mts', '.cts'].map((extension) => `${stem}${extension}`),
  ].filter(isFile);
};

/** What `require` would take, which can be another file than `import` takes. */
const required = (name: string, file: string): string | undefined => {
  try {
    return createRequire(file).resolve(name);
  } catch {
    // Not there for `require`: then it is no file of this way, and whoever needs it is told when it is loaded.
    return undefined;
  }
};

let ours: string | undefined;
const isOurs = (path: string): boolean => {
  ours ??= `${ownPackage().folder}${sep}`;
  return path.startsWith(ours);
};

/** The package.json of the package that a folder is part of; none: an empty list. @param known by folder */
const packageJsonOf = (folder: string, known: Map<string, readonly string[]>): readonly string[] => {
  const before = known.get(folder);
  if (before !== undefined) return before;
  const own = join(folder, 'package.json');
  const above = dirname(folder);
  const found = existsSync(own) ? [own] : above === folder ? [] : packageJsonOf(above, known);
  known.set(folder, found);
  return found;
};

/** What was looked at in one go of loading: files that several plugins import are looked at once. */
export class Inspected {
  /** What each file names, once it was found to be trusted. */
  readonly files = new Map<string, Promise<readonly string[]>>();
  readonly folders = new Set<string>();
  readonly packages = new Map<string, readonly string[]>();
}

/**
 * The files that a file names, as far as they can be told from its text: a name that is put together while it runs cannot.
 * Builtin modules, what is not there, and this very pciback are left out.
 *
 * @param file absolute, without links
 */
const namedIn = async (file: string, inspected: Inspected): Promise<readonly string[]> => {
  // A pipe that is named like code has no end: whoever imports it says so.
  if (!CODE.test(file) || !isFile(file)) return [];
  const found = new Set<string>(packageJsonOf(dirname(file), inspected.packages));
  for (const [, word, , name = ''] of readFileSync(file, 'utf8').matchAll(NAMES)) {
    if (isBuiltin(name) || /^[a-z]+:\/\//i.test(name)) continue;
    if (/^(\.{0,2}\/|\.{1,2}$)/.test(name)) {
      for (const one of completed(resolve(dirname(file), name))) found.add(one);
    } else if (word !== 'URL') {
      for (const one of [await resolveFrom(name, dirname(file)), required(name, file)]) {
        if (one !== undefined && !isOurs(realpathSync(one))) found.add(one);
      }
    }
  }
  return [...found];
};

/**
 * Checks a file and everything that it imports, and what that imports, before any of it is read as code.
 *
 * @param file absolute
 * @throws PcibackError `CONFIG_UNTRUSTED` naming the file and who imports it, `CONFIG_UNREADABLE`
 */
export const assertAllTrusted = async (
  file: string,
  onlooker: Onlooker,
  inspected: Inspected = new Inspected(),
): Promise<void> => {
  if (onlooker.uid !== 0) return;
  const inspect = async (path: string, by: string | undefined): Promise<readonly string[]> => {
    await assertTrusted(path, onlooker, by === undefined ? path : `${path}, imported by ${by},`, inspected.folders);
    return namedIn(realpathSync(path), inspected);
  };
  const seen = new Set<string>();
  const waiting: { readonly path: string; readonly by?: string }[] = [{ path: file }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, by } = next;
    if (seen.has(path)) continue;
    seen.add(path);
    const known = inspected.files.get(path) ?? inspect(path, by);
    inspected.files.set(path, known);
    for (const one of await known) waiting.push({ path: one, by: path });
  }
};

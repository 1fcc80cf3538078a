// SPDX-License-Identifier: MIT

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, extname, join, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Jiti } from 'jiti';
import { ownPackage } from './package-folder.ts';

/**
 * Texts that follow a word with which a file names another: `from`, `import`, `require` and `new URL`, for threads. Comments and
 * texts that look like that count too: a file too many is looked at, none too few.
 */
const NAMES = /\b(from|import|require(?:\.resolve)?|URL)\s*\(?\s*(?:\/\*[\s\S]*?\*\/\s*)*(["'`])([^"'`\n$]+)\2/g;

const CODE = /\.[cm]?[jt]sx?$/;
/** What the loader for TypeScript adds to a name without one. */
const EXTENSIONS = ['.js', '.mjs', '.cjs', '.ts', '.tsx', '.mts', '.cts', '.json'];

/** Modules of the engine, and addresses of what lies in no file. */
const isNoFile = (name: string): boolean => isBuiltin(name) || /^(?!file:\/\/\/)[a-z][\w+.-]*:/i.test(name);

const isFile = (path: string): boolean => {
  try {
    return statSync(path).isFile();
  } catch {
    // Of names in a text most lead nowhere, for many a reason; whoever imports one that should not is told.
    return false;
  }
};

const textOf = (file: string): string => {
  // A pipe that is named like code has no end: whoever imports it says so.
  if (!CODE.test(file) || !isFile(file)) return '';
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // Whoever imports it hears why.
    if ((error as NodeJS.ErrnoException).code !== undefined) return '';
    throw error;
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
    const found = createRequire(file).resolve(name);
    // The engine goes on saying what was there once.
    return isFile(found) ? found : undefined;
  } catch {
    // Not there for `require`: then it is no file of this way, and whoever needs it is told when it is loaded.
    return undefined;
  }
};

/** How a package can say where it is entered: packages in CommonJS may have a door for `require` alone. */
const conditions = [
  ['node', 'import'],
  ['node', 'require'],
] as const;

/** Making one takes longer than what it is asked for. */
let resolver: Promise<Jiti> | undefined;

/** The file that an import of this name leads to, in a file of `directory`; `undefined`: there is none. */
export const resolveFrom = async (name: string, directory: string): Promise<string | undefined> => {
  resolver ??= import('jiti').then(({ createJiti }) => createJiti('file:///rc', { fsCache: false }));
  const { esmResolve } = await resolver;
  const from = pathToFileURL(join(directory, 'rc')).href;
  for (const one of conditions) {
    const found = esmResolve(name, { parentURL: from, conditions: [...one], try: true }) as string | undefined;
    if (found === undefined || !/^(file:|\/)/.test(found)) continue;
    const file = found.startsWith('file:') ? fileURLToPath(found) : found;
    if (existsSync(file)) return file;
  }
  return undefined;
};

const pathOf = (url: string): string | undefined => {
  try {
    return fileURLToPath(url);
  } catch {
    // No address of a file: whoever imports it is told.
    return undefined;
  }
};

let ours: string | undefined;
const isOurs = (path: string): boolean => {
  ours ??= `${ownPackage().folder}${sep}`;
  return path.startsWith(ours);
};

/**
 * The files that a file names, as far as they can be told from its text: a name that is put together while it runs cannot.
 * Builtin modules, what is not there, and this very pciback are left out.
 *
 * @param file absolute, without links
 * @param isLeftOut names that are not looked up
 */
export const namedIn = async (
  file: string,
  isLeftOut: (name: string) => boolean = () => false,
): Promise<readonly string[]> => {
  const found = new Set<string>();
  for (const [, word, , name = ''] of textOf(file).matchAll(NAMES)) {
    if (isNoFile(name) || isLeftOut(name)) continue;
    if (name.startsWith('file:')) {
      const path = pathOf(name);
      if (path !== undefined && isFile(path) && !isOurs(realpathSync(path))) found.add(path);
    } else if (/^(\.{0,2}\/|\.{1,2}$)/.test(name)) {
      for (const one of completed(resolve(dirname(file), name))) found.add(one);
    } else if (word !== 'URL') {
      for (const one of [await resolveFrom(name, dirname(file)), required(name, file)]) {
        if (one !== undefined && !isOurs(realpathSync(one))) found.add(one);
      }
    }
  }
  return [...found];
};

/** What the program itself gives to files that import it by name: its doors, see `plugins/program/doors.ts`. */
const isDoor = (name: string): boolean => /^(?:pciback(?:\/|$)|zod$)/.test(name);

/** A file and all files that it imports, also through others and from packages; not what the doors are. */
export const filesOf = async (entry: string): Promise<readonly string[]> => {
  const found = new Set([entry]);
  // A set is gone through with what is added meanwhile.
  for (const file of found) {
    const real = existsSync(file) ? realpathSync(file) : file;
    for (const one of await namedIn(real, isDoor)) found.add(existsSync(one) ? realpathSync(one) : one);
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

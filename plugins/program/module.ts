// SPDX-License-Identifier: MIT

import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeError } from '../../core/errors/index.ts';

/**
 * What files import by name wherever they lie, `pciback/plugin` say: this very pciback, and what it shares with plugins. An
 * rc file in /etc has no node_modules above it.
 */
export type Doors = Readonly<Record<string, () => Promise<unknown>>>;

const isTypeScript = (path: string): boolean => ['.ts', '.mts', '.cts'].includes(extname(path));

/** The loader for TypeScript. Nothing is written beside the file or into a cache. */
const withTranspiler = async (path: string, doors: Doors): Promise<unknown> => {
  const { createJiti } = await import('jiti');
  const open = Object.entries(doors).map(async ([name, load]) => [name, await load()] as const);
  const jiti = createJiti(pathToFileURL(path).href, {
    fsCache: false,
    interopDefault: false,
    virtualModules: Object.fromEntries(await Promise.all(open)),
  });
  // Read anew each time: a quirk may be changed and loaded again while guests run.
  delete jiti.cache[path];
  return await jiti.import(path);
};

/** A file that lies outside of any installation cannot find the packages of the doors by name; nothing of it has run then. */
const missesDoor = (error: unknown, doors: Doors): boolean => {
  if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') return false;
  const missing = /package '([^']+)'/.exec(describeError(error))?.[1];
  return Object.keys(doors).some((name) => name === missing || name.startsWith(`${missing}/`));
};

/** As each file was when it was imported first: the engine keeps what it has read under its name for good. */
const firstMarks = new Map<string, string>();

/** The name to import a file under: that of its own, and another one when it was written since. */
const importName = (path: string): string => {
  const facts = statSync(path, { throwIfNoEntry: false });
  const mark = facts === undefined ? '' : `${facts.mtimeMs}-${facts.size}`;
  const first = firstMarks.get(path) ?? mark;
  firstMarks.set(path, first);
  const { href } = pathToFileURL(path);
  return first === mark ? href : `${href}?${mark}`;
};

/** Imports a file: `.ts` transpiled in memory, others as Node does; anew when it was written since. @returns the module. */
export const importFile = async (path: string, doors: Doors): Promise<unknown> => {
  if (isTypeScript(path)) return withTranspiler(path, doors);
  try {
    return await import(importName(path));
  } catch (error) {
    if (missesDoor(error, doors)) return withTranspiler(path, doors);
    throw error;
  }
};

/** The default export of an imported module; `undefined` when it has none. */
export const defaultExport = (module: unknown): unknown =>
  typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;

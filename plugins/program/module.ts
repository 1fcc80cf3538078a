// SPDX-License-Identifier: MIT

import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Jiti, JitiOptions } from 'jiti';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { describeFailure } from '../code-failure.ts';
import { filesOf } from '../imported.ts';
import { assertFile } from '../read-text.ts';

/**
 * What files import by name wherever they lie, `pciback/plugin` say: this very pciback, and what it shares with plugins. An
 * rc file in /etc has no node_modules above it.
 */
export type Doors = Readonly<Record<string, () => Promise<unknown>>>;

const isTypeScript = (path: string): boolean => ['.ts', '.mts', '.cts'].includes(extname(path));

/** The loader for TypeScript. Nothing is written beside the file or into a cache. */
const transpilerFor = async (path: string, doors: Doors, more: JitiOptions = {}) => {
  const { createJiti } = await import('jiti');
  const open = Object.entries(doors).map(async ([name, load]) => [name, await load()] as const);
  return createJiti(pathToFileURL(path).href, {
    fsCache: false,
    interopDefault: false,
    virtualModules: Object.fromEntries(await Promise.all(open)),
    ...more,
  });
};

/** A module in CommonJS is what it exports. */
const asModule = (module: unknown): unknown => {
  const isModule = typeof module === 'object' && module !== null && ('__esModule' in module || 'default' in module);
  return isModule ? module : { default: module };
};

const withTranspiler = async (path: string, doors: Doors): Promise<unknown> =>
  asModule(await (await transpilerFor(path, doors)).import(path));

/** Modules that this process keeps under the names of their files; what pciback itself needs is there already. */
const { cache } = createRequire('/');
const own: ReadonlySet<string> = new Set(Object.keys(cache));

/** Takes out every module that a plugin has brought, but for native code, which a process loads once. */
const takeOut = (): ReadonlyMap<string, NodeModule> => {
  const taken = new Map<string, NodeModule>();
  for (const [file, module] of Object.entries(cache)) {
    if (module === undefined || own.has(file) || file.endsWith('.node')) continue;
    taken.set(file, module);
    delete cache[file];
  }
  return taken;
};

/** `import()` in transpiled code is left to the engine, which would give what it knows: this is what it does instead. */
const READS_ANEW = '"use strict"; jitiImport = async (name) => require(name);';

/** @throws Error for a module that waits at its top level, which transpiled code cannot */
const requireAnew = (jiti: Jiti, path: string): unknown => {
  try {
    return jiti(path);
  } catch (error) {
    // The engine quotes the line.
    if (!(error instanceof SyntaxError && /\bawait\b/.test(error.stack ?? ''))) throw error;
    const why = 'it, or what it imports, has await at its top level; such a module is loaded at a start only';
    throw new Error(why, { cause: error });
  }
};

/**
 * Imports a file and everything that it imports as the files are now. The engine keeps ES modules under their names for good, so
 * all of them are transpiled in memory.
 */
const importAnew = async (path: string, doors: Doors): Promise<unknown> => {
  const plain = await transpilerFor(path, {});
  const jiti = await transpilerFor(path, doors, {
    interopDefault: true,
    moduleCache: false,
    transform: (terms) => ({ code: `${READS_ANEW} ${plain.transform(terms)}` }),
  });
  const its = new Set(await filesOf(path));
  const before = takeOut();
  try {
    return asModule(requireAnew(jiti, path));
  } finally {
    // Other plugins go on with what they have, also where they ask for it again.
    for (const [file, module] of before) if (!its.has(file)) cache[file] ??= module;
  }
};

/** A file that lies outside of any installation cannot find the packages of the doors by name; nothing of it has run then. */
const missesDoor = (error: unknown, doors: Doors): boolean => {
  const { code } = error as { code?: unknown };
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return false;
  const missing = /(?:package|module) '([^']+)'/.exec(describeError(error))?.[1];
  return Object.keys(doors).some((name) => name === missing || name.startsWith(`${missing}/`));
};

/** A file with `import` and `export` in a package that says "commonjs", as `npm init` writes it; nothing of it has run then. */
const saysCommonJs = (error: unknown): boolean =>
  error instanceof SyntaxError && /import statement outside a module|Unexpected token 'export'/.test(error.message);

const importAsItIs = async (path: string, doors: Doors): Promise<unknown> => {
  if (isTypeScript(path)) return withTranspiler(path, doors);
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (missesDoor(error, doors) || saysCommonJs(error)) return withTranspiler(path, doors);
    throw error;
  }
};

/** Milliseconds that the code of a file may take until it is imported, with all that it imports. */
export const LONGEST = 20_000;

/** Milliseconds between two looks at whether it is. Looks are counted, not time: a host that is busy or slept is no hang. */
const LOOK = 500;

/** What is imported, in time. A module may wait at its top level for what never comes. */
const inTime = async (importing: Promise<unknown>): Promise<unknown> => {
  let looks = 0;
  let looking: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    looking = setInterval(() => {
      looks += 1;
      if (looks * LOOK >= LONGEST) reject(new Error(`its code did not come to its end in ${LONGEST / 1000} s`));
    }, LOOK);
  });
  try {
    return await Promise.race([importing, late]);
  } finally {
    clearInterval(looking);
  }
};

/** What this process has imported. */
const imported = new Set<string>();

/**
 * Imports a file: `.ts` transpiled in memory, others as Node does.
 *
 * @param path absolute
 * @param how `anew`: with everything that it imports, as the files are now; so it is also for a file that was imported before
 * @returns the module
 * @throws Error with the words of what its code threw, in one line, and the place, or that it took longer than {@link LONGEST}; an error of a catalogue as it is
 */
export const importFile = async (path: string, doors: Doors, how: 'first' | 'anew' = 'first'): Promise<unknown> => {
  assertFile(path);
  const isKnown = imported.has(path);
  imported.add(path);
  try {
    return isKnown || how === 'anew' ? await importAnew(path, doors) : await inTime(importAsItIs(path, doors));
  } catch (error) {
    if (isPcibackError(error)) throw error;
    throw new Error(await describeFailure(error, path), { cause: error });
  }
};

const partsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

/**
 * The default export of an imported module; `undefined` when it has none. Where a compiler made CommonJS of `export default`, it
 * lies one step deeper.
 */
export const defaultExport = (module: unknown): unknown => {
  const { default: exported } = partsOf(module);
  const { __esModule: compiled, default: inner } = partsOf(exported);
  return compiled === true ? inner : exported;
};

// SPDX-License-Identifier: MIT

import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeError } from '../errors/index.ts';

const isTypeScript = (path: string): boolean => ['.ts', '.mts', '.cts'].includes(extname(path));

/**
 * The loader for TypeScript. What a file imports as `pciback/…` is this very pciback, wherever the file lies: an rc
 * file in /etc has no node_modules above it. Nothing is written beside the file or into a cache.
 */
const withTranspiler = async (path: string): Promise<unknown> => {
  const [{ createJiti }, plugin, quirk, config] = await Promise.all([
    import('jiti'),
    import('../plugin/index.ts'),
    import('../quirk/quirk.ts'),
    import('../config/index.ts'),
  ]);
  const jiti = createJiti(pathToFileURL(path).href, {
    fsCache: false,
    interopDefault: false,
    virtualModules: { 'pciback/plugin': plugin, 'pciback/quirk': quirk, 'pciback/config': config },
  });
  // Read anew each time: a quirk may be changed and loaded again while guests run.
  delete jiti.cache[path];
  return await jiti.import(path);
};

/** A file that lies outside of any installation cannot find this package by name; nothing of it has run then. */
const missesThisPackage = (error: unknown): boolean =>
  (error as { code?: unknown }).code === 'ERR_MODULE_NOT_FOUND' &&
  /package 'pciback(\/\w+)?'/.test(describeError(error));

/** Imports a file: `.ts` transpiled in memory, others as Node does. @returns the module. */
export const importFile = async (path: string): Promise<unknown> => {
  if (isTypeScript(path)) return withTranspiler(path);
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (missesThisPackage(error)) return withTranspiler(path);
    throw error;
  }
};

/** The default export of an imported module; `undefined` when it has none. */
export const defaultExport = (module: unknown): unknown =>
  typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined;

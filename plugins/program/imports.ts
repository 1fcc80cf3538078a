// SPDX-License-Identifier: MIT

import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { namedIn } from '../imported.ts';
import { assertTrusted, type Onlooker } from '../trust.ts';

const CODE = /\.[cm]?[jt]sx?$/;

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
    const real = realpathSync(path);
    const named = await namedIn(real);
    return CODE.test(real) ? [...packageJsonOf(dirname(real), inspected.packages), ...named] : named;
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

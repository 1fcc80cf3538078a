// SPDX-License-Identifier: MIT

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';
import { assertTrusted, type Onlooker, thisProcess } from '../trust.ts';

/** Folders in which a file is enough: the administrator's, then that of the distribution. */
export const systemFolders: readonly string[] = ['/etc/pciback/plugins.d', '/usr/share/pciback/quirks.d'];

/** Not what editors and package managers leave beside a file, and no declarations of types. */
const isTaken = (name: string): boolean => /^[^.].*\.(json|[cm]?[jt]s)$/.test(name) && !/\.d\.[cm]?ts$/.test(name);

/**
 * The files of a folder that are plugins or quirks, in the order of their names.
 *
 * @param folder absolute
 * @returns absolute paths; `undefined` when the folder is not there
 * @throws PcibackError `CONFIG_UNTRUSTED` when others may write to the folder, also when it is empty; `CONFIG_UNREADABLE`
 */
export const filesIn = async (
  folder: string,
  onlooker: Onlooker = thisProcess(),
): Promise<readonly string[] | undefined> => {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return fail('CONFIG_UNREADABLE', { file: folder, why: describeError(error) }, error);
  }
  await assertTrusted(folder, onlooker);
  return names
    .filter(isTaken)
    .sort()
    .map((name) => join(folder, name));
};

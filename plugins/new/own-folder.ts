// SPDX-License-Identifier: MIT

import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describeError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';

/** What is in a folder; `undefined`: it is not there. */
const entriesOf = async (folder: string): Promise<readonly string[] | undefined> => {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Moves what is in `from` to `to`, or nothing. */
const moveEntries = async (from: string, to: string): Promise<void> => {
  const moved: string[] = [];
  try {
    for (const entry of await readdir(from)) {
      await rename(join(from, entry), join(to, entry));
      moved.push(join(to, entry));
    }
  } catch (error) {
    for (const one of moved) await rm(one, { recursive: true, force: true });
    throw error;
  }
};

const writeAll = async (folder: string, files: Readonly<Record<string, string>>, isThere: boolean): Promise<void> => {
  const draft = join(dirname(folder), `.${basename(folder)}-${process.pid}`);
  await mkdir(draft);
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(draft, path)), { recursive: true });
      await writeFile(join(draft, path), text);
    }
    // Somebody may stand in a folder that is there, so it stays the one that it is.
    await (isThere ? moveEntries(draft, folder) : rename(draft, folder));
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
};

/**
 * Writes files into a folder that is not there or is empty: all of them or, whatever happens, none.
 *
 * @param folder absolute
 * @param files text by path in it
 * @throws PcibackError `NEW_FOLDER`
 */
export const writeFolder = async (folder: string, files: Readonly<Record<string, string>>): Promise<void> => {
  const refuse = (why: string, cause?: unknown): never => fail('NEW_FOLDER', { folder, why }, cause);
  const there = await entriesOf(folder).catch((error: unknown) => refuse(describeError(error), error));
  if (there !== undefined && there.length > 0) {
    const [first = ''] = there;
    refuse(`it is not empty: ${first}${there.length === 1 ? '' : ` and ${there.length - 1} more`}`);
  }
  try {
    await writeAll(folder, files, there !== undefined);
  } catch (error) {
    refuse(describeError(error), error);
  }
};

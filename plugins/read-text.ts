// SPDX-License-Identifier: MIT

import { type Stats, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describeError } from '../core/errors/index.ts';
import { fail } from './errors.ts';

/** Bytes of a file that is read as a whole: the dump of a large host has some 20 MiB. */
const LONGEST = 2 ** 28;

const kindOf = (facts: Stats): string => {
  if (facts.isDirectory()) return 'a folder';
  if (facts.isFIFO()) return 'a FIFO';
  return facts.isSocket() ? 'a socket' : 'a device';
};

/**
 * Checks that a path leads to a file that has an end. What is read from a FIFO or a device may never come, and whoever waits
 * for it cannot be stopped.
 *
 * @throws Error in words for a message, also when nothing is there
 */
export const assertFile = (path: string): void => {
  const facts = statSync(path);
  if (!facts.isFile()) throw new Error(`it is ${kindOf(facts)}, not a file`);
  if (facts.size > LONGEST) throw new Error(`it has ${facts.size} bytes, ${LONGEST} at most are read`);
};

/** Reads a text file of somebody else's. @throws Error as {@link assertFile} */
export const readText = async (path: string): Promise<string> => {
  assertFile(path);
  return readFile(path, 'utf8');
};

/** Reads a text file that a command was given. @throws PcibackError `FILE_UNREADABLE` */
export const readGiven = async (path: string): Promise<string> => {
  try {
    return await readText(path);
  } catch (error) {
    return fail('FILE_UNREADABLE', { file: path, why: describeError(error) }, error);
  }
};

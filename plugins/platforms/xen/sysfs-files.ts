// SPDX-License-Identifier: MIT

import { constants } from 'node:fs';
import { open, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Bdf, formatBdf, parseBdf } from '../../../core/bdf.ts';
import { Errno, HostError } from '../../../core/platform/index.ts';

/** The folder of one function below a sysfs root, which is `/sys` outside of tests. */
export const functionFolder = (sysfs: string, address: Bdf): string => `${sysfs}/bus/pci/devices/${formatBdf(address)}`;

/** An address as sysfs prints it; `undefined` for other names and for segments above 0xffff, which no guest can have. */
export const addressOf = (name: string): Bdf | undefined =>
  /^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(name) ? parseBdf(name) : undefined;

/** Makes a `HostError` of what a file call threw. */
export const hostError = (call: string, error: unknown): HostError => {
  if (error instanceof HostError) return error;
  const { errno, message } = error as NodeJS.ErrnoException;
  return new HostError(call, typeof errno === 'number' ? Math.abs(errno) : Errno.EIO, message);
};

export const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const unlessMissing = async <T>(work: Promise<T>): Promise<T | undefined> => {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/** A file's text without the blanks around it; `undefined` when there is no such file. */
export const readText = async (path: string): Promise<string | undefined> =>
  (await unlessMissing(readFile(path, 'utf8')))?.trim();

/**
 * A file that holds one number, decimal or with 0x.
 *
 * @throws HostError when it is missing or holds something else
 */
export const readNumber = async (path: string): Promise<number> => {
  const text = await readText(path);
  const value = text === undefined || text === '' ? Number.NaN : Number(text);
  if (Number.isNaN(value)) throw new HostError(`read of ${path}`, Errno.ENOENT, text ?? 'no such file');
  return value;
};

/** Last part of what a link points to; `undefined` when there is no such link. */
export const linkName = async (path: string): Promise<string | undefined> => {
  const target = await unlessMissing(readlink(path));
  return target === undefined ? undefined : basename(target);
};

/**
 * Writes to an existing attribute, in one write.
 *
 * @throws HostError with the errno of the refusal
 */
export type WriteAttribute = (path: string, value: string) => Promise<void>;

const writeOnce: WriteAttribute = async (path, value) => {
  try {
    // For writing only: some attributes cannot be read. Never created: what is missing is missing.
    const file = await open(path, constants.O_WRONLY);
    try {
      await file.write(value);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw hostError(`write of ${path}`, error);
  }
};

/**
 * Makes a writer that writes to at most `parallel` attributes at a time; the others wait.
 *
 * A reset or a change of driver holds a thread of the pool for up to tens of seconds. The pool has four, and the reader
 * of events needs one at once whenever it comes back: guests wait for it 2 s at most.
 */
export const createWriter = (parallel = 2, write: WriteAttribute = writeOnce): WriteAttribute => {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (path, value) => {
    if (running === parallel) {
      // Whoever finishes hands its place over, so the number stays the same.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running += 1;
    try {
      await write(path, value);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
};

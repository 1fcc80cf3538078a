// SPDX-License-Identifier: MIT

import { constants } from 'node:fs';
import { open, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Bdf, formatBdf, parseBdf } from '../../../core/bdf.ts';
import { Errno, HostError } from '../../../core/platform/index.ts';

/** The kernel's driver that claims what its function raises on a shared line. */
export const HANDLER_DRIVER = 'uio_pci_generic';

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

/** The first 64 bytes of a function's config space, asked of the function. @throws HostError */
export const readHeader = async (folder: string): Promise<Buffer> => {
  const path = `${folder}/config`;
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
      if (bytesRead < 64) throw new HostError(`read of ${path}`, Errno.EIO, `${bytesRead} of 64 bytes`);
      return buffer;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw hostError(`read of ${path}`, error);
  }
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

export const writeAttribute: WriteAttribute = async (path, value) => {
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

/** Milliseconds that a write waits for its turn. */
const TURN_MS = 5000;
/** Milliseconds after which nobody waits for a write that has not ended. A front end gives a reset up after 2 s. */
const STUCK_MS = 1000;

/** Writes to the file of its first word, as {@link writeAttribute} does; its status is the errno. */
const SCRIPT = `
  const { constants, openSync, writeSync } = require('node:fs');
  const [path, value] = process.argv.slice(1);
  try {
    writeSync(openSync(path, constants.O_WRONLY), value);
  } catch ({ errno }) {
    process.exitCode = Math.abs(errno) || ${Errno.EIO};
  }
`;

/** The same in a process of its own: when the kernel never comes back from it, nothing here waits but the caller. */
const writeApart: WriteAttribute = async (path, value) => {
  const call = `write of ${path}`;
  // A start has no need of it.
  const { spawn } = await import('node:child_process');
  const child = spawn(process.execPath, ['-e', SCRIPT, path, value], { stdio: 'ignore', env: {} });
  // It may outlive this process, which does not wait for it at its end.
  child.unref();
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject(hostError(call, error)));
    child.once('exit', resolve);
  });
  if (status !== 0) throw new HostError(call, status ?? Errno.EIO);
};

/**
 * Makes a writer that writes to at most `parallel` attributes at a time. The others wait, for `turnMs` at most, and not for
 * writes that have taken `stuckMs`; then they are done in a process of their own. So resets of one guest that hang in all
 * places hold those of another one up for `stuckMs` at most.
 *
 * A reset or a change of driver holds a thread of the pool for up to tens of seconds, or for good. The pool has four, and the
 * reader of events needs one at once whenever it comes back: guests wait for it 2 s at most.
 */
export const createWriter = (
  parallel = 2,
  write: WriteAttribute = writeAttribute,
  turnMs = TURN_MS,
  stuckMs = STUCK_MS,
): WriteAttribute => {
  const waiting: (() => void)[] = [];
  /** When each write that has a place began. */
  const begun = new Map<symbol, number>();
  let running = 0;
  /** @returns whether it has a place */
  const turn = (): Promise<boolean> =>
    new Promise((resolve) => {
      const end = performance.now() + turnMs;
      let timer: NodeJS.Timeout | undefined;
      const take = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const look = (): void => {
        const left = Math.min(end, Math.max(...begun.values()) + stuckMs) - performance.now();
        if (left > 0) {
          timer = setTimeout(look, Math.ceil(left));
          return;
        }
        waiting.splice(waiting.indexOf(take), 1);
        resolve(false);
      };
      waiting.push(take);
      look();
    });
  return async (path, value) => {
    // Whoever finishes hands its place over, so the number stays the same.
    if (running < parallel) running += 1;
    else if (!(await turn())) return writeApart(path, value);
    const place = Symbol(path);
    begun.set(place, performance.now());
    try {
      await write(path, value);
    } finally {
      begun.delete(place);
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
};

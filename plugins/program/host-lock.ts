// SPDX-License-Identifier: MIT

import { closeSync, openSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Errno, HostError } from '../../core/platform/index.ts';
import { library, type NativeLoader } from '../kinds/native.ts';
import { libcNames } from '../libc.ts';

const libc = library({ names: libcNames, package: 'libc6', functions: { flock: ['int', ['int', 'int']] } });

const EXCLUSIVE_AT_ONCE = 2 | 4; // LOCK_EX | LOCK_NB
const EINTR = 4;

/** A lock that this process holds until it ends, however it ends, or lets it go. */
export interface HostLock {
  /** What is locked. */
  readonly path: string;
  /** Open as long as the lock is held. A copy of it, in another process too, holds the lock with this one. */
  readonly fd: number;
  /** Lets it go. Calling it twice is harmless. */
  release(): void;
}

/** How a lock that somebody has is waited for. */
export interface LockWait {
  /** Milliseconds between two tries. */
  readonly everyMs: number;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** Called once, when there is something to wait for. */
  waiting?(): void;
  /** Called when it was waited for and is this process's now. */
  taken?(): void;
}

/**
 * Takes the lock on a file or device node, which is an `flock` on what `path` leads to: the kernel keeps it for this process,
 * and it is free in the moment in which the process is gone. What the file holds, and whether it was there before, says nothing.
 *
 * @param wait missing: a lock that somebody has is not waited for
 * @returns `undefined` when another process has it, or the waiting was ended
 * @throws HostError when `path` cannot be opened or locked
 */
export const takeLock = async (path: string, native: NativeLoader, wait?: LockWait): Promise<HostLock | undefined> => {
  const { flock } = native.bind(libc);
  const fd = openLocked(path);
  let held = false;
  /** @returns whether it is held now */
  const attempt = (): boolean => {
    while (flock(fd, EXCLUSIVE_AT_ONCE) < 0) {
      const errno = native.errno();
      if (errno === Errno.EAGAIN) return false;
      if (errno !== EINTR) throw new HostError('flock', errno, path);
    }
    held = true;
    return true;
  };
  const release = (): void => {
    if (held) closeSync(fd);
    held = false;
  };
  try {
    if (attempt()) return { path, fd, release };
    wait?.waiting?.();
    while (wait !== undefined && wait.signal?.aborted !== true) {
      await pause(wait.everyMs);
      if (!attempt()) continue;
      wait.taken?.();
      return { path, fd, release };
    }
    return undefined;
  } finally {
    if (!held) closeSync(fd);
  }
};

const openLocked = (path: string): number => {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    throw new HostError('open', -((error as NodeJS.ErrnoException).errno ?? 0), path);
  }
};

/** `08:01:123`: how the kernel's list of locks names a file: device in hexadecimal, inode in decimal. */
const nameOf = (path: string): string => {
  const { dev, ino } = statSync(realpathSync(path), { bigint: true });
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major.toString(16).padStart(2, '0')}:${minor.toString(16).padStart(2, '0')}:${ino}`;
};

/** The process that took the lock on `path`, as the kernel says; `undefined`: nobody, or one that is not seen from here. */
export const holderOf = (path: string, list = '/proc/locks'): number | undefined => {
  const name = nameOf(path);
  for (const line of readFileSync(list, 'utf8').split('\n')) {
    const [, kind, , , pid, file] = line.split(/\s+/);
    if (kind === 'FLOCK' && file === name && Number(pid) > 0) return Number(pid);
  }
  return undefined;
};

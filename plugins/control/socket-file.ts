// SPDX-License-Identifier: MIT

import {
  accessSync,
  type BigIntStats,
  chmodSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';
import { assertTrusted } from '../trust.ts';
import { LONGEST_PATH, tooLong } from './section.ts';

const refuse = (path: string, why: string, cause?: unknown): never => fail('CONTROL_SOCKET', { path, why }, cause);

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code);

/** The file itself, not what a link leads to; `undefined` when there is none. */
const statusOf = (path: string): BigIntStats | undefined => lstatSync(path, { throwIfNoEntry: false, bigint: true });

/** A file that was made anew under the same name, with the number of the old one even, is another one. */
const isSame = (one: BigIntStats, other: BigIntStats | undefined): boolean =>
  one.dev === other?.dev && one.ino === other.ino && one.mtimeNs === other.mtimeNs;

const kindOf = (facts: BigIntStats): string => {
  if (facts.isDirectory()) return 'a folder';
  if (facts.isSymbolicLink()) return 'a symbolic link';
  return facts.isFile() ? 'a file' : 'something that is no socket';
};

/** Whether somebody listens there. */
const isAlive = (path: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      // EAGAIN: somebody does, who has more callers than he takes.
      if (error.code === 'EAGAIN') resolve(true);
      else if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });

/** What is at the path is a socket of this user's, or nothing. @throws PcibackError `CONTROL_SOCKET` */
const socketAt = (path: string, uid: number): BigIntStats | undefined => {
  const found = statusOf(path);
  if (found === undefined) return undefined;
  if (!found.isSocket()) refuse(path, `there is ${kindOf(found)} at this path`);
  if (found.uid !== BigInt(uid)) refuse(path, `the socket at this path belongs to user ${found.uid}`);
  return found;
};

/** Removes the socket of a pciback that died, and nothing else. @throws PcibackError `CONTROL_SOCKET` for all else */
const removeDead = async (path: string, uid: number): Promise<void> => {
  const found = socketAt(path, uid);
  if (found === undefined) return;
  if (await isAlive(path)) refuse(path, 'another pciback listens there');
  // Another one may have come to the same end and have its own socket there by now: what is taken away is looked at first.
  const away = join(dirname(path), `.dead-${process.pid}`);
  renameSync(path, away);
  if (isSame(found, statusOf(away))) unlinkSync(away);
  else {
    renameSync(away, path);
    refuse(path, 'another pciback is starting there');
  }
};

/** The deepest folder on the way to `folder` that is there. */
const nearestThere = (folder: string): string =>
  statSync(folder, { throwIfNoEntry: false }) === undefined && dirname(folder) !== folder
    ? nearestThere(dirname(folder))
    : folder;

/** Nobody but this user can put a socket into the folder, if it is there. @throws PcibackError `CONFIG_UNTRUSTED` */
const assertOwn = async (folder: string, uid: number): Promise<void> => {
  const facts = statSync(folder, { throwIfNoEntry: false });
  if (facts === undefined) return;
  const distrust = (why: string): never => fail('CONFIG_UNTRUSTED', { file: 'the control socket', path: folder, why });
  if (facts.uid !== uid) distrust(`belongs to user ${facts.uid}`);
  if ((facts.mode & 0o022) !== 0) distrust(`may be written by others (mode ${(facts.mode & 0o7777).toString(8)})`);
  await assertTrusted(folder);
};

/** What a path stands beside until it is there. */
const ownName = (path: string): string => join(dirname(path), `.${process.pid.toString(36)}`);

/** Every reason but a file system that fails is one of the catalogue. */
const inWords = async <Done>(path: string, work: () => Promise<Done>): Promise<Done> => {
  try {
    return await work();
  } catch (error) {
    if (isPcibackError(error)) throw error;
    return refuse(path, describeError(error), error);
  }
};

/**
 * Looks whether a socket could be made at `path`, and changes nothing. Whether somebody listens there is not looked at.
 *
 * @throws PcibackError `CONFIG_UNTRUSTED`, `CONTROL_SOCKET`
 */
export const assertRoom = (path: string): Promise<void> =>
  inWords(path, async () => {
    const uid = process.geteuid?.() ?? 0;
    const bytes = Math.max(Buffer.byteLength(path), Buffer.byteLength(ownName(path)));
    if (bytes > LONGEST_PATH) refuse(path, tooLong(bytes));
    const folder = dirname(path);
    const above = nearestThere(folder);
    await assertTrusted(above);
    if (!statSync(above).isDirectory()) refuse(path, `${above} is no folder`);
    accessSync(above, constants.W_OK);
    await assertOwn(folder, uid);
    socketAt(path, uid);
  });

const bind = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    // The socket is made inside of this call: from its first moment on nobody else may connect.
    const before = process.umask(0o177);
    try {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });

/**
 * Has the server listen at `path`, for the user of this process alone: folder 0700 when it is made here, socket 0600.
 *
 * It is made under another name and linked to `path`, which fails when somebody is faster: a socket is never taken from one
 * that lives.
 *
 * @returns removes it, if it is still this one
 * @throws PcibackError `CONFIG_UNTRUSTED` for a folder that others may change, `CONTROL_SOCKET` for every other reason
 */
export const listenAt = async (server: Server, path: string): Promise<() => void> => {
  const uid = process.geteuid?.() ?? 0;
  const own = ownName(path);
  try {
    await assertRoom(path);
    await inWords(path, async () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      await assertOwn(dirname(path), uid);
      // What has this process's number and is not its own was left by one that is gone.
      await removeDead(own, uid);
      await bind(server, own);
      try {
        chmodSync(own, 0o600);
        for (let tries = 1; ; tries++) {
          await removeDead(path, uid);
          try {
            linkSync(own, path);
            break;
          } catch (error) {
            if (codeOf(error) !== 'EEXIST' || tries === 2) throw error;
          }
        }
      } finally {
        unlinkSync(own);
      }
    });
  } catch (error) {
    server.close();
    throw error;
  }
  const made = statusOf(path);
  return () => {
    if (made !== undefined && isSame(made, statusOf(path))) unlinkSync(path);
  };
};

// SPDX-License-Identifier: MIT

import { lstatSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { describeError } from '../core/errors/index.ts';
import { fail } from './errors.ts';

/** What of a file's status counts here. */
export interface FileFacts {
  readonly uid: number;
  readonly mode: number;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
}

/** Who asks, and how they see files; tests bring their own. */
export interface Onlooker {
  /** Effective user id of the process. */
  readonly uid: number;
  status(path: string): Promise<FileFacts>;
  target(link: string): Promise<string>;
}

/** This process and the real file system. */
export const thisProcess = (): Onlooker => ({
  uid: process.geteuid?.() ?? 0,
  status: async (path) => {
    // There are many of these at a start, and the way through the thread pool costs more than the call.
    const stats = lstatSync(path);
    const kind = stats.isSymbolicLink()
      ? 'link'
      : stats.isDirectory()
        ? 'directory'
        : stats.isFile()
          ? 'file'
          : 'other';
    return { uid: stats.uid, mode: stats.mode, kind };
  },
  target: (link) => readlink(link),
});

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
/** As the kernel's own limit for one path. */
const MOST_LINKS = 40;

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/**
 * Checks, when this process runs as root, that nobody else can change what `path` leads to.
 *
 * Every directory on the way, every symbolic link and the file itself must belong to root and must not be writable by
 * group or others. A directory that others may write is accepted only when it is sticky: then nobody but root can
 * replace root's entries in it.
 *
 * @param path absolute
 * @param shown what the error calls it
 * @param folders absolute paths of folders that were checked already, without a link on the way; this adds its own
 * @throws PcibackError `CONFIG_UNTRUSTED` naming the part of the way that is open, `CONFIG_UNREADABLE`.
 */
export const assertTrusted = async (
  path: string,
  onlooker: Onlooker = thisProcess(),
  shown: string = path,
  folders: Set<string> = new Set(),
): Promise<void> => {
  if (onlooker.uid !== 0) return;
  const refuse = (at: string, why: string): never => fail('CONFIG_UNTRUSTED', { file: shown, path: at, why });
  const inspect = async (at: string): Promise<FileFacts> => {
    let facts: FileFacts;
    try {
      facts = await onlooker.status(at);
    } catch (error) {
      return fail('CONFIG_UNREADABLE', { file: shown, why: describeError(error) }, error);
    }
    if (facts.uid !== 0) refuse(at, `belongs to user ${facts.uid}`);
    const open = facts.kind !== 'link' && (facts.mode & WRITABLE_BY_OTHERS) !== 0;
    if (open && !(facts.kind === 'directory' && (facts.mode & STICKY) !== 0)) {
      refuse(at, `may be written by others (mode ${(facts.mode & 0o7777).toString(8)})`);
    }
    return facts;
  };

  const isKnown = folders.has(dirname(path));
  const waiting = isKnown ? [basename(path)] : partsOf(path);
  let links = 0;
  let at = isKnown ? dirname(path) : '/';
  if (!isKnown) await inspect(at);
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    if (part === '..') {
      at = dirname(at);
      continue;
    }
    const next = join(at, part);
    const facts = await inspect(next);
    if (facts.kind !== 'link') {
      at = next;
      continue;
    }
    links++;
    if (links > MOST_LINKS) refuse(next, 'leads through too many symbolic links');
    const target = await onlooker.target(next);
    waiting.unshift(...partsOf(target));
    if (isAbsolute(target)) at = '/';
  }
  if (links === 0) folders.add(dirname(path));
};

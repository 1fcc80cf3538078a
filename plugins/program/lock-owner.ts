// SPDX-License-Identifier: MIT

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { describeError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import { holderOf } from './host-lock.ts';

/** Where the process that has the lock on a device says who it is. */
const OF_DEVICES = '/run/pciback/owner.json';

/** Where the process that has the lock on `path` says who it is. Information only: whether the lock is held, the kernel knows. */
export const ownerFile = (path: string): string => (path.startsWith('/dev/') ? OF_DEVICES : `${path}.owner`);

/** Who has the host's lock. */
export interface LockOwner {
  readonly pid: number;
  /** When the process was started, in ISO form. */
  readonly since: string;
  /** When the kernel says that it was started, in ticks since the boot: another process of the same number has another one. */
  readonly ticks: number;
  /** Absolute; missing: it has no control socket. */
  readonly socket?: string | undefined;
}

const ownerShape = z.object({
  pid: z.int().positive(),
  since: z.string().max(40),
  ticks: z.number(),
  socket: z.string().optional(),
});

const TICKS_A_SECOND = 100;

/** Start of a process in ticks since the boot; `undefined` when there is no such process. */
const startOf = (pid: number): number | undefined => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may have blanks and brackets of its own; what follows it begins with the third field.
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    // It has ended, or is not seen from here: both is what the caller is told.
    return undefined;
  }
};

const dateOf = (ticks: number): string => {
  const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0);
  return new Date((boot + ticks / TICKS_A_SECOND) * 1000).toISOString();
};

/** Says that this process has the lock on `path`. What keeps it from that is logged, no more. @returns takes it back */
export const announceOwner = (path: string, socket: string | undefined, log: Logger): (() => void) => {
  const file = ownerFile(path);
  const ticks = startOf(process.pid) ?? 0;
  const owner: LockOwner = { pid: process.pid, since: dateOf(ticks), ticks, socket };
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // A name of its own first: nobody reads half of it, and a link that lies there is not followed.
    const written = `${file}.${process.pid}`;
    rmSync(written, { force: true });
    writeFileSync(written, `${JSON.stringify(owner)}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(written, file);
  } catch (error) {
    log.warn({ file, why: describeError(error) }, 'a second pciback is told less about this one');
    return () => undefined;
  }
  return () => rmSync(file, { force: true });
};

const readOwner = (file: string): LockOwner | undefined => {
  try {
    return ownerShape.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // Missing, unreadable, half a file of somebody else: then the kernel's list alone says who it is.
    return undefined;
  }
};

/** Who has the lock on `path`, in words for the operator of a second pciback. */
export const describeOwner = (path: string): string => {
  const said = readOwner(ownerFile(path));
  if (said !== undefined && startOf(said.pid) === said.ticks) {
    const socket = said.socket === undefined ? 'without a control socket' : `control socket ${said.socket}`;
    return `process ${said.pid}, started ${said.since}, ${socket}`;
  }
  const pid = holderOf(path);
  if (pid === undefined) return 'a process that is not seen from here';
  const ticks = startOf(pid);
  return ticks === undefined ? `process ${pid}, which handed it on` : `process ${pid}, started ${dateOf(ticks)}`;
};

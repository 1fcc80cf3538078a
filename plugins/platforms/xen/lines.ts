// SPDX-License-Identifier: MIT

import { existsSync, readFileSync } from 'node:fs';
import type { Bdf } from '../../../core/bdf.ts';
import { Errno, HostError, type LineInterrupts } from '../../../core/platform/index.ts';
import { usableLine } from '../../host-facts.ts';
import type { LineHandlers } from './line-handlers.ts';
import { functionFolder, hostError, isMissing, readNumber } from './sysfs-files.ts';

/** Names under which pass-through itself takes a line, in the kernel's back end: those acknowledge what a guest causes. */
const PASS_THROUGH = /^xen-pciback\[/;

/**
 * Names of the drivers that have a handler on a line, from `/sys/kernel/irq/<n>/actions`: names with commas between.
 *
 * @param sysfs root of sysfs, `/sys` outside of tests
 * @returns none for a line that nobody has set up
 * @throws HostError ENOENT when this kernel does not tell
 */
export const lineUsers = (sysfs: string, line: number): string[] => {
  const folder = `${sysfs}/kernel/irq`;
  let text: string;
  try {
    text = readFileSync(`${folder}/${line}/actions`, 'utf8');
  } catch (error) {
    if (!isMissing(error)) throw hostError(`read of ${folder}/${line}/actions`, error);
    checkFolder(folder);
    return [];
  }
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== '(null)' && !PASS_THROUGH.test(name));
};

/** Without the folder, a line that is not listed says nothing. */
const checkFolder = (folder: string): void => {
  if (!existsSync(folder)) {
    throw new HostError(`list of ${folder}`, Errno.ENOENT, 'this kernel does not tell who uses a line');
  }
};

/**
 * The line of a function that drivers of the host use too, for a look only.
 *
 * @returns `undefined` for a function that has its line for itself, or none
 * @throws HostError when it cannot be told
 */
export const sharedLine = async (
  address: Bdf,
  sysfs = '/sys',
): Promise<{ readonly line: number; readonly users: readonly string[] } | undefined> => {
  const line = usableLine(await readNumber(`${functionFolder(sysfs, address)}/irq`));
  const users = line === 0 ? [] : lineUsers(sysfs, line);
  return users.length === 0 ? undefined : { line, users };
};

/**
 * The host's half of lines on a real dom0: who uses a line can be read and asked, but only a driver in the kernel can
 * have a handler on it.
 *
 * @param isShared asks the hypervisor about a PIRQ; a line of dom0 has its own number as PIRQ
 * @param handlers such drivers; missing: none can be had
 */
export const createLines = (
  sysfs: string,
  isShared: (pirq: number) => boolean,
  handlers?: Pick<LineHandlers, 'canClaim' | 'claim' | 'withoutOwn'>,
): LineInterrupts => ({
  canClaim: false,
  canClaimFor: (device) => handlers?.canClaim(device) === true,
  claim(device, name, handler) {
    if (handlers !== undefined) return handlers.claim(device, name, handler);
    throw new HostError(
      `claim of a line as ${name}`,
      Errno.EOPNOTSUPP,
      'only a driver in the kernel can have a handler',
    );
  },
  isShared,
  hostUsers: (line) => {
    const users = lineUsers(sysfs, line);
    return handlers?.withoutOwn(line, users) ?? users;
  },
});

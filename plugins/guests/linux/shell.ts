// SPDX-License-Identifier: MIT

import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { describeError } from '../../../core/errors/index.ts';
import { fail } from '../../errors.ts';

const NEXT = 'See what it said; pciback quirk dev --guest linux --setup does what is missing.';

/** What a guest needs is not there. */
export const refuse = (what: string, next = NEXT): never => fail('GUEST_SYSTEM', { what, next });

/** Runs a program to its end. @returns its output @throws PcibackError `GUEST_SYSTEM` */
export const run = (command: string, args: readonly string[], options: SpawnSyncOptions = {}): string => {
  const done = spawnSync(command, args, { maxBuffer: 2 ** 28, ...options, encoding: 'utf8' });
  if (done.status === 0) return done.stdout;
  const said = done.stderr?.trim() || (done.error === undefined ? `status ${done.status}` : describeError(done.error));
  return refuse(`${command} ${args.join(' ')} failed: ${said}`);
};

export const shell = (command: string): string => run('sh', ['-c', command]);

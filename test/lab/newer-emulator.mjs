// SPDX-License-Identifier: MIT
// The emulator of a newer Debian, for scenarios that this machine's is too old for.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeBareRoot } from '../tools/package/bare.mjs';
import { releases } from '../tools/package/deb.mjs';
import { UsageError } from './scenarios.mjs';
import { requirePackages } from './setup.mjs';

/** Debian 13 has QEMU 10.0. */
const RELEASE = 13;

/**
 * The emulator in a root of its own, run from outside of it, so that it sees the same files as this machine's would.
 *
 * @param {string} folder of the lab
 * @param {(text: string) => void} say
 * @returns {string[]} program and first arguments
 */
export function setUpNewerEmulator(folder, say) {
  if (process.getuid() !== 0) throw new UsageError('this scenario needs a newer emulator: run it as root.');
  requirePackages(['debootstrap', 'debian-archive-keyring'], say);
  const root = join(folder, 'emulator/root');
  mkdirSync(join(folder, 'emulator'), { recursive: true });
  makeBareRoot(root, { codename: releases[RELEASE].codename, include: ['qemu-system-x86'], say });
  const below = (path) => join(root, path);
  const firmware = ['usr/share/qemu', 'usr/share/seabios'].flatMap((path) => ['-L', below(path)]);
  const loader = [below('lib64/ld-linux-x86-64.so.2'), '--library-path', below('usr/lib/x86_64-linux-gnu')];
  return [...loader, below('usr/bin/qemu-system-x86_64'), ...firmware];
}

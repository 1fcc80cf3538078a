// SPDX-License-Identifier: MIT
// Debian's packages: those of this machine's release, or of another one with lists of its own.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mirror } from '../tools/package/bare.mjs';
import { UsageError } from './scenarios.mjs';

/**
 * @typedef {object} Archive
 * @property {(args: string[], cwd?: string) => void} get `apt-get`; throws UsageError with what it said
 * @property {(pattern: RegExp, ask: string[]) => string[]} find what `apt-cache` answers: the first group of each match
 */

/** The archive that this machine's own apt is set up for. @returns {Archive} */
export const machineArchive = (say) => archive([], say);

/**
 * Another release, from the same mirror: this machine's own lists stay as they are.
 *
 * @param {string} folder for the lists
 * @param {string} codename
 * @returns {Archive}
 */
export function releaseArchive(folder, codename, say) {
  for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(folder, part), { recursive: true });
  const list = join(folder, 'sources.list');
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
  writeFileSync(list, `deb [signed-by=${keys}] ${mirror()} ${codename} main\n`);
  const settings = {
    'Dir::Etc::sourcelist': list,
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(folder, 'lists'),
    // What is installed on this machine is no part of that release.
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
  };
  return archive(
    Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    say,
  );
}

function archive(options, say) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (program, args, cwd) => spawnSync(program, [...options, ...args], { env, cwd, encoding: 'utf8' });
  let listsAreFresh = false;
  /** Whether it makes sense to ask again: lists may be missing on a new machine, or name versions that are gone. */
  const update = () => {
    if (listsAreFresh || process.getuid() !== 0) return false;
    say('apt-get update');
    run('apt-get', ['-qq', 'update']);
    listsAreFresh = true;
    return true;
  };
  const find = (pattern, ask) => {
    const found = [...(run('apt-cache', ask).stdout ?? '').matchAll(pattern)].map((match) => match[1]);
    return found.length === 0 && update() ? find(pattern, ask) : found;
  };
  const get = (args, cwd) => {
    const { status, stderr, error } = run('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], cwd);
    if (status === 0) return;
    if (update()) get(args, cwd);
    else throw new UsageError(`apt-get ${args.join(' ')} failed:\n${stderr ?? error}`);
  };
  return { get, find };
}

/** The newest `4.N` of Xen that a release has. */
export function xenVersionIn({ find }) {
  const minors = find(/^xen-utils-4\.(\d+) /gm, ['search', '--names-only', '^xen-utils-4']);
  if (minors.length === 0) throw new UsageError('no package xen-utils-4.* is known here. As root: apt-get update');
  return `4.${Math.max(...minors.map(Number))}`;
}

export function kernelPackageIn({ find }) {
  const [found] = find(/Depends: (linux-image-[0-9]\S*)/g, ['depends', 'linux-image-amd64']);
  if (found === undefined) throw new UsageError('no package linux-image-amd64 is known here. As root: apt-get update');
  return found;
}

/** A package is unpacked into a folder, never installed: nothing touches this machine's own boot files. */
export function unpack(folder, part, packageName, { get }, say) {
  const done = join(folder, part, '.done');
  if (existsSync(done)) return;
  rmSync(join(folder, part), { recursive: true, force: true });
  const deb = join(folder, part, 'deb');
  mkdirSync(deb, { recursive: true });
  chmodSync(deb, 0o777); // apt downloads as a user of its own
  const name = packageName();
  say(`unpacking ${name}`);
  get(['download', name], deb);
  for (const file of readdirSync(deb)) {
    const { status, stderr } = spawnSync('dpkg', ['-x', join(deb, file), join(folder, part)], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`dpkg -x ${file}: ${stderr}`);
  }
  writeFileSync(done, `${name}\n`);
}

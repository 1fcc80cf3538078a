// SPDX-License-Identifier: MIT
// A Debian of its own in a folder, from the mirror that this host has its own packages from.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The mirror that this host has its own packages from.
 *
 * @throws Error when none is configured
 */
export const mirror = () => {
  if (process.env.MIRROR !== undefined) return process.env.MIRROR;
  for (const file of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    const found = existsSync(file) ? /^(?:URIs:|deb) +(?:\[[^\]]*\] +)?(\S+)/m.exec(readFileSync(file, 'utf8')) : null;
    if (found !== null) return found[1];
  }
  throw new Error('no mirror of Debian is known here: name one in $MIRROR');
};

/**
 * A root with the base system and some packages. One that is there already, with the same packages, is left as it is.
 *
 * @param root its folder; the log of debootstrap goes to `ROOT.log`
 * @param terms `codename` of the release; `include`: packages beside the base system; `say`: told when it is made
 * @throws Error with the end of the log when debootstrap fails
 */
export const makeBareRoot = (root, { codename, include = [], say }) => {
  const wanted = `${codename} ${include.join(',')}\n`;
  const done = join(root, '.done');
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return;
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  const packages = include.length === 0 ? [] : [`--include=${include.join(',')}`];
  const words = ['--variant=minbase', ...packages, codename, root, mirror()];
  say(`debootstrap ${words.slice(0, -2).join(' ')}`);
  const { error, status, stdout, stderr } = spawnSync('debootstrap', words, { encoding: 'utf8' });
  if (error !== undefined) throw new Error(`debootstrap: ${error.message}. As root: apt-get install debootstrap`);
  writeFileSync(`${root}.log`, `${stdout}${stderr}`);
  if (status !== 0)
    throw new Error(
      `debootstrap failed; ${root}.log ends with:\n${`${stdout}${stderr}`.trimEnd().split('\n').slice(-5).join('\n')}`,
    );
  writeFileSync(done, wanted);
};

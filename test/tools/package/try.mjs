// SPDX-License-Identifier: MIT
// Installs a package into a bare Debian, looks at it there, and removes it: what a fresh dom0 has is what is there.

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const { PCIBACK_TRY = '/var/tmp/pciback-try' } = process.env;

/** The mirror that this host has its own packages from. */
const mirror = () => {
  if (process.env.MIRROR !== undefined) return process.env.MIRROR;
  for (const file of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    const found = existsSync(file) ? /^(?:URIs:|deb) +(?:\[[^\]]*\] +)?(\S+)/m.exec(readFileSync(file, 'utf8')) : null;
    if (found !== null) return found[1];
  }
  throw new Error('no mirror of Debian is known here: name one in $MIRROR');
};

/** A Debian with nothing but its base system, made once. */
const bareRoot = (codename) => {
  const root = join(PCIBACK_TRY, codename);
  const done = join(root, '.done');
  if (existsSync(done)) return root;
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  console.log(`--- debootstrap --variant=minbase ${codename}`);
  const log = execFileSync('debootstrap', ['--variant=minbase', codename, root, mirror()], { encoding: 'utf8' });
  writeFileSync(join(PCIBACK_TRY, `${codename}.log`), log);
  writeFileSync(done, '');
  return root;
};

/** @returns the status of test/tools/package/try.sh inside of a copy of the bare Debian */
export const tryPackage = (file, { codename }) => {
  const bare = bareRoot(codename);
  const root = join(PCIBACK_TRY, `${codename}.tried`);
  rmSync(root, { recursive: true, force: true });
  execFileSync('cp', ['-a', '--reflink=auto', bare, root]);
  mkdirSync(join(root, 'try'));
  copyFileSync(file, join(root, 'try', basename(file)));
  copyFileSync(join(import.meta.dirname, 'try.sh'), join(root, 'try/try.sh'));
  if (existsSync('/etc/resolv.conf')) copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'));
  // What is mounted in the copy goes with the process.
  const inside = `set -e; mount -t proc proc ${root}/proc; mount -o ro,rbind /sys ${root}/sys; mount --rbind /dev ${root}/dev
    exec chroot ${root} /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb \
      http_proxy="$http_proxy" https_proxy="$https_proxy" DEBIAN_FRONTEND=noninteractive bash /try/try.sh`;
  const { status } = spawnSync('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', inside], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status === 0) rmSync(root, { recursive: true, force: true });
  return status ?? 1;
};

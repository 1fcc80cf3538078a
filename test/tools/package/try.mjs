// SPDX-License-Identifier: MIT
// Installs a package into a bare Debian, looks at it there, and removes it: what a fresh dom0 has is what is there.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { makeBareRoot } from './bare.mjs';

/** Seconds that everything in booted.sh may take. */
const BOOT_SECONDS = 900;
const { PCIBACK_TRY = '/var/tmp/pciback-try' } = process.env;

const HERE = import.meta.dirname;
const run = (words) => spawnSync(words[0], words.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;

/** Runs try.sh as a program of that root. */
const tryInside = (root) => {
  // What is mounted goes with the process.
  const inside = `set -e; mount -t proc proc ${root}/proc; mount -o ro,rbind /sys ${root}/sys; mount --rbind /dev ${root}/dev
    exec chroot ${root} /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb \
      http_proxy="$http_proxy" https_proxy="$https_proxy" DEBIAN_FRONTEND=noninteractive bash /try/try.sh`;
  return run(['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', inside]);
};

/** Boots the root with its own systemd, which runs booted.sh and ends. */
const tryBooted = (root) => {
  const unit = `[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nExecStart=/bin/bash -c '/try/booted.sh > /try/booted.log 2>&1'
ExecStopPost=/usr/bin/systemctl exit 0\n`;
  writeFileSync(join(root, 'etc/systemd/system/try.service'), unit);
  mkdirSync(join(root, 'etc/systemd/system/multi-user.target.wants'), { recursive: true });
  symlinkSync('../try.service', join(root, 'etc/systemd/system/multi-user.target.wants/try.service'));
  const groups = /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/mounts', 'utf8'))?.[1];
  if (groups === undefined) {
    console.log('not booted: this host has no cgroup2 mounted, which systemd needs');
    return 1;
  }
  // A group of its own, so that what it does to groups stays below that.
  const own = join(groups, `pciback-try-${process.pid}`);
  const inside = `mkdir ${own} && echo $$ > ${own}/cgroup.procs && exec timeout ${BOOT_SECONDS} unshare --mount --pid --cgroup --ipc --uts \
    --fork --kill-child sh ${join(HERE, 'boot.sh')} ${root}`;
  const status = run(['sh', '-c', inside]);
  const log = join(root, 'try/booted.log');
  const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
  console.log(text.trimEnd());
  if (existsSync(own)) for (const group of groupsBelow(own)) rmdirSync(group);
  return status === 0 && / passed, 0 failed\n$/.test(text) ? 0 : 1;
};

/** The group and all below it, the innermost first. */
const groupsBelow = (group) => [
  ...readdirSync(group, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? groupsBelow(join(group, entry.name)) : [],
  ),
  group,
];

/** @returns 0 when everything in try.sh and booted.sh holds in a copy of the bare Debian; else the copy stays for a look */
export const tryPackage = (file, { codename }) => {
  const bare = join(PCIBACK_TRY, codename);
  makeBareRoot(bare, { codename, say: (text) => console.log(`--- ${text}`) });
  const root = join(PCIBACK_TRY, `${codename}.tried`);
  rmSync(root, { recursive: true, force: true });
  execFileSync('cp', ['-a', '--reflink=auto', bare, root]);
  mkdirSync(join(root, 'try'));
  copyFileSync(file, join(root, 'try', basename(file)));
  for (const name of ['shown.sh', 'try.sh', 'booted.sh']) copyFileSync(join(HERE, name), join(root, 'try', name));
  chmodSync(join(root, 'try/booted.sh'), 0o755);
  if (existsSync('/etc/resolv.conf')) copyFileSync('/etc/resolv.conf', join(root, 'etc/resolv.conf'));
  const status = Math.max(tryInside(root), tryBooted(root));
  if (status === 0) rmSync(root, { recursive: true, force: true });
  return status;
};

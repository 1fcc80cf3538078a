// SPDX-License-Identifier: MIT
// A host with a Debian 13 of its own: dom0's root is made by debootstrap, and runs the package of pciback that is installed there.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeBareRoot } from '../tools/package/bare.mjs';
import { makeDeb, releases } from '../tools/package/deb.mjs';
import { closure } from '../tools/package/program.mjs';
import { filesBelow } from '../tools/package/tree.mjs';
import { releaseArchive, xenVersionIn } from './archive.mjs';
import { UsageError } from './scenarios.mjs';
import { makeBootable, PACKAGES, requirePackages } from './setup.mjs';

const RELEASE = 13;
/** What a dom0 has: the toolstack, and what its hotplug scripts and the scenarios call. The engine is the release's own. */
const TOOLS = 'nodejs,kmod,iproute2,iputils-ping,xenstore-utils,pciutils,busybox-static,procps,diffutils'.split(',');
/** Where the package puts the program. */
const INSTALLED = 'usr/lib/pciback';
/** The other foreign-function loader, which the package does not bring: npm compiles it where it is installed. */
const OTHER_LOADER = 'ffi-napi';

/**
 * The root with the toolstack, and beside it what boots it.
 *
 * @param {string} folder of this host alone
 * @returns {import('./setup.mjs').Machine}
 */
export function setUpDebian13(folder, say) {
  if (process.getuid() !== 0) throw new UsageError('--host debian13 makes a root of its own: run it as root.');
  requirePackages([...PACKAGES, 'debootstrap', 'debian-archive-keyring'], say);
  const { codename } = releases[RELEASE];
  mkdirSync(folder, { recursive: true });
  const archive = releaseArchive(join(folder, 'apt'), codename, say);
  const xenVersion = xenVersionOf(folder, archive);
  const root = join(folder, 'root');
  makeBareRoot(root, { codename, include: [...TOOLS, `xen-utils-${xenVersion}`], say });
  const lab = join(root, 'lab');
  mkdirSync(lab, { recursive: true });
  const kernel = makeBootable(lab, xenVersion, archive, say);
  // dom0 loads modules by name, as any Debian does.
  const modules = join(root, 'usr/lib/modules');
  mkdirSync(modules, { recursive: true });
  rmSync(join(modules, kernel), { force: true });
  symlinkSync(`/lab/kernel/lib/modules/${kernel}`, join(modules, kernel));
  return { folder: lab, root, lab: '/lab', xenVersion, kernel };
}

/** Asked of the mirror once: what is set up stays as it is. */
function xenVersionOf(folder, archive) {
  const file = join(folder, 'xen-version');
  if (!existsSync(file)) writeFileSync(file, xenVersionIn(archive));
  return readFileSync(file, 'utf8');
}

/**
 * Makes the package and installs it in the root with dpkg, anew when anything of it has changed. Beside it come the programs that only
 * scenarios run, which no package has.
 *
 * @param {string} project the checkout, built
 */
export async function installPackage({ folder, root }, project, say) {
  const work = mkdtempSync(join(tmpdir(), 'pciback-lab-package-'));
  try {
    const dist = join(project, 'dist');
    const modules = join(project, 'node_modules');
    const date = statSync(join(project, 'CHANGELOG.md')).mtime;
    const deb = await makeDeb(RELEASE, { project, dist, modules, out: work, date });
    const additions = [
      [join(dist, 'test'), 'dist/test'],
      [join(project, 'test/lab/bench'), 'test/lab/bench'],
      ...[...closure(modules, [OTHER_LOADER])].map(([name, from]) => [from, `node_modules/${name}`]),
    ];
    const hash = createHash('sha256').update(readFileSync(deb));
    for (const [from] of additions) for (const file of filesBelow(from)) hash.update(readFileSync(join(from, file)));
    const stamp = hash.digest('hex');
    const stampFile = join(folder, 'package.stamp');
    if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
    rmSync(stampFile, { force: true });
    say(`installing ${deb.slice(work.length + 1)} in ${root}`);
    const inside = join(folder, 'pciback.deb');
    cpSync(deb, inside);
    const home = join(root, INSTALLED);
    if (existsSync(join(root, 'var/lib/dpkg/info/pciback.list'))) dpkg(root, '--purge', 'pciback');
    rmSync(home, { recursive: true, force: true });
    dpkg(root, '--install', '/lab/pciback.deb');
    for (const [from, to] of additions) cpSync(from, join(home, to), { recursive: true });
    writeFileSync(stampFile, stamp);
  } finally {
    rmSync(work, { recursive: true });
  }
}

function dpkg(root, ...words) {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stdout, stderr } = spawnSync('chroot', [root, 'dpkg', ...words], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`dpkg ${words.join(' ')} in ${root} failed:\n${stdout}${stderr}`);
}

// SPDX-License-Identifier: MIT

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { kernelPackageIn, machineArchive, unpack, xenVersionIn } from './archive.mjs';
import { UsageError } from './scenarios.mjs';

const HERE = import.meta.dirname;
const DOM0_MODULES = 'virtio_pci 9pnet_virtio 9p overlay xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs pci-stub';
const GUEST_MODULES = 'xen-pcifront xen-gntalloc xen-evtchn xenfs e1000e e1000 igbvf vmxnet3 8139cp nvme xhci-pci ahci';
/** Drivers of the guest that are loaded only where a scenario names them: its other devices would come first. */
const GUEST_MODULES_ON_DEMAND = 'xen-netfront xen-blkfront';
/** What makes and boots a host, whichever it is. */
export const PACKAGES = [
  'qemu-system-x86',
  'busybox-static',
  'kmod',
  'cpio',
  'pciutils',
  'xz-utils',
  'gcc',
  'libc6-dev',
];
/** What a dom0 needs beside the toolstack when its root is this machine's. */
const DOM0_PACKAGES = ['xenstore-utils', 'diffutils'];

/**
 * A host that is ready to boot.
 *
 * @typedef {object} Machine
 * @property {string} folder with hypervisor, kernel and initial file systems
 * @property {string} root what dom0 has as its root file system
 * @property {string} lab the folder's path in dom0
 * @property {string} xenVersion as in `4.17`
 * @property {string} kernel release of the kernel of dom0 and guests
 */

/** This machine's own release of Debian, with its own root for dom0. @returns {Machine} */
export function setUpOwn(folder, say) {
  requirePackages(PACKAGES, say);
  const archive = machineArchive(say);
  const xenVersion = installedXen() ?? xenVersionIn(archive);
  requirePackages([...DOM0_PACKAGES, `xen-utils-${xenVersion}`], say);
  return { folder, root: '/', lab: folder, xenVersion, kernel: makeBootable(folder, xenVersion, archive, say) };
}

/**
 * Hypervisor, kernel and both initial file systems in a folder. Does only what is missing.
 * @returns the kernel's release
 */
export function makeBootable(folder, xenVersion, archive, say) {
  unpack(folder, 'hypervisor', () => `xen-hypervisor-${xenVersion}-amd64`, archive, say);
  unpack(folder, 'kernel', () => `${kernelPackageIn(archive)}-unsigned`, archive, say);
  const xen = join(folder, 'xen');
  if (!existsSync(xen)) shell(`zcat '${folder}/hypervisor/boot/xen-${xenVersion}-amd64.gz' > '${xen}'`);
  // Newer packages have modules below /usr/lib alone.
  if (!existsSync(join(folder, 'kernel/lib'))) symlinkSync('usr/lib', join(folder, 'kernel/lib'));
  const kernel = readdirSync(join(folder, 'kernel/lib/modules'))[0];
  const modules = join(folder, 'kernel/lib/modules', kernel);
  if (!existsSync(join(modules, 'modules.dep'))) {
    // The small programs of the initial file systems load no compressed module.
    shell(`find '${modules}/' -name '*.ko.xz' -print0 | xargs -0 -r -n 100 unxz`);
    execFileSync('depmod', ['-b', join(folder, 'kernel'), kernel]);
  }
  makeImages(folder, modules, say);
  return kernel;
}

// --- packages of this machine ---------------------------------------------------------------------------------------

const isInstalled = (name) =>
  (spawnSync('dpkg-query', ['-s', name], { encoding: 'utf8' }).stdout ?? '').includes(
    '\nStatus: install ok installed\n',
  );

/** Installs what is missing on this machine. */
export function requirePackages(names, say) {
  if (spawnSync('dpkg-query', ['--version']).error) {
    throw new UsageError('the lab is built from Debian packages and this machine has no dpkg: use a Debian machine.');
  }
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (process.getuid() !== 0) {
    throw new UsageError(`the lab needs Debian packages. As root:\n  apt-get install ${missing.join(' ')}`);
  }
  say(`installing ${missing.join(' ')}`);
  machineArchive(say).get(['install', '-y', '--no-install-recommends', ...missing]);
}

function installedXen() {
  const found = spawnSync('dpkg-query', ['-W', 'xen-utils-4*'], { encoding: 'utf8' }).stdout ?? '';
  // A name without a version is known, but not installed.
  const minors = [...found.matchAll(/^xen-utils-4\.(\d+)\t\S/gm)].map((match) => Number(match[1]));
  return minors.length > 0 ? `4.${Math.max(...minors)}` : undefined;
}

// --- initial file systems -------------------------------------------------------------------------------------------

/** Images are made again when anything that goes into them changed. */
function makeImages(folder, modules, say) {
  const tests = readdirSync(join(HERE, 'guest/tests')).map((file) => `guest/tests/${file}`);
  const parts = ['dom0/initramfs.sh', 'guest/init', 'guest/confbench.c', 'guest/confscript.c', 'setup.mjs', ...tests];
  const sources = parts.map((file) => join(HERE, file));
  const hash = createHash('sha256').update(modules);
  for (const source of sources) hash.update(readFileSync(source));
  const stamp = hash.digest('hex');
  const stampFile = join(folder, 'images.stamp');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  say('making the initial file systems of dom0 and guest');

  const dom0 = freshTree(folder, 'dom0', ['bin', 'dev', 'proc', 'sys', 'mnt/host', 'mnt/rw', 'mnt/root']);
  addModules(dom0, modules, DOM0_MODULES.split(' '));
  addInit(dom0, join(HERE, 'dom0/initramfs.sh'));
  pack(dom0, join(folder, 'dom0.img'));

  const guest = freshTree(folder, 'guest', ['bin', 'dev', 'proc', 'sys', 'usr/share/misc']);
  addModules(guest, modules, GUEST_MODULES.split(' '), GUEST_MODULES_ON_DEMAND.split(' '));
  for (const tool of ['lspci', 'setpci']) addProgram(guest, tool);
  for (const program of ['confbench', 'confscript']) {
    execFileSync('gcc', ['-O2', '-static', '-o', join(guest, 'bin', program), join(HERE, `guest/${program}.c`)]);
  }
  addInit(guest, join(HERE, 'guest/init'));
  cpSync(join(HERE, 'guest/tests'), join(guest, 'tests'), { recursive: true });
  pack(guest, join(folder, 'guest.img'));
  writeFileSync(stampFile, stamp);
}

function freshTree(folder, name, folders) {
  const tree = join(folder, `${name}-tree`);
  rmSync(tree, { recursive: true, force: true });
  for (const part of folders) mkdirSync(join(tree, part), { recursive: true });
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
  return tree;
}

function addInit(tree, source) {
  copyFileSync(source, join(tree, 'init'));
  chmodSync(join(tree, 'init'), 0o755);
}

/**
 * Copies each module with what it depends on and writes `modlist` in load order: a file a line, then for which of the named modules it is
 * there. Those that are loaded on demand are in `ondemand`.
 */
function addModules(tree, modules, names, onDemand = []) {
  mkdirSync(join(tree, 'lib/m'), { recursive: true });
  const dependencies = new Map();
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [path, needs] = line.split(':');
    if (needs !== undefined) dependencies.set(path, needs.trim().split(/\s+/).filter(Boolean));
  }
  const nameOf = (path) => basename(path).replace(/\.ko(\.\w+)?$/, '');
  const byName = new Map([...dependencies.keys()].map((path) => [nameOf(path), path]));
  const builtIn = new Set(readFileSync(join(modules, 'modules.builtin'), 'utf8').split('\n').map(nameOf));
  const wanted = new Map();
  for (const name of [...names, ...onDemand]) {
    const path = byName.get(name);
    if (path === undefined && builtIn.has(name)) continue;
    if (path === undefined) throw new Error(`${modules} has no module ${name}`);
    for (const one of [...[...dependencies.get(path)].reverse(), path]) {
      wanted.set(one, [...(wanted.get(one) ?? []), name]);
    }
  }
  for (const path of wanted.keys()) copyFileSync(join(modules, path), join(tree, 'lib/m', basename(path)));
  const lines = [...wanted].map(([path, reasons]) => `${basename(path)} ${reasons.join(' ')}\n`);
  writeFileSync(join(tree, 'modlist'), lines.join(''));
  writeFileSync(join(tree, 'ondemand'), onDemand.map((name) => `${name}\n`).join(''));
}

/** A program and the shared libraries that it is linked with, at their own paths. */
function addProgram(tree, name) {
  const path = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  const libraries = execFileSync('ldd', [path], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const file of [path, ...libraries]) {
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    cpSync(realpathSync(file), join(tree, file));
  }
}

const pack = (tree, image) => shell(`cd '${tree}' && find . | cpio -o -H newc 2>/dev/null | gzip -1 > '${image}'`);
const shell = (command) => execFileSync('sh', ['-c', command]);

// --- the project ----------------------------------------------------------------------------------------------------

/** Builds `dist/` when it is missing or older than a source. */
export function buildProject(project, say) {
  const main = join(project, 'dist/plugins/commands/main.js');
  const built = existsSync(main) ? statSync(main).mtimeMs : 0;
  const sources = ['core', 'plugins', 'quirks', 'test/kit'].map((folder) => join(project, folder)).filter(existsSync);
  if (sources.every((folder) => newestChange(folder) <= built)) return;
  say('building dist/ (npm run build)');
  const result = spawnSync('npm', ['run', '--silent', 'build'], { cwd: project, stdio: 'inherit' });
  if (result.status !== 0) throw new UsageError('npm run build failed: the lab runs what is built.');
}

function newestChange(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) newest = Math.max(newest, statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs);
  }
  return newest;
}

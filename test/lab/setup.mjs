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
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsageError } from './scenarios.mjs';

const HERE = import.meta.dirname;
const DOM0_MODULES = 'virtio_pci 9pnet_virtio 9p overlay xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs pci-stub';
const GUEST_MODULES = 'xen-pcifront xen-gntalloc xen-evtchn xenfs e1000e e1000 vmxnet3 8139cp nvme xhci-pci ahci';
const PACKAGES = ['qemu-system-x86', 'xenstore-utils', 'busybox-static', 'kmod', 'cpio', 'pciutils', 'diffutils'];
const COMPILER = ['gcc', 'libc6-dev'];

/**
 * Makes the lab folder ready: packages, hypervisor, kernel, both initial file systems. Does only what is missing.
 * @returns {{ xenVersion: string, kernel: string }}
 */
export function setUp(folder, say) {
  const xenVersion = installPackages(say);
  unpack(folder, 'hypervisor', () => `xen-hypervisor-${xenVersion}-amd64`, say);
  unpack(folder, 'kernel', () => `${kernelPackage()}-unsigned`, say);
  const xen = join(folder, 'xen');
  if (!existsSync(xen)) shell(`zcat '${folder}/hypervisor/boot/xen-${xenVersion}-amd64.gz' > '${xen}'`);
  const kernel = readdirSync(join(folder, 'kernel/lib/modules'))[0];
  const modules = join(folder, 'kernel/lib/modules', kernel);
  if (!existsSync(join(modules, 'modules.dep'))) execFileSync('depmod', ['-b', join(folder, 'kernel'), kernel]);
  makeImages(folder, modules, say);
  return { xenVersion, kernel };
}

// --- Debian packages ------------------------------------------------------------------------------------------------

const isInstalled = (name) =>
  (spawnSync('dpkg-query', ['-s', name], { encoding: 'utf8' }).stdout ?? '').includes(
    '\nStatus: install ok installed\n',
  );

let listsAreFresh = false;

function apt(args, say, cwd) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = () => spawnSync('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], { env, cwd, encoding: 'utf8' });
  let result = run();
  // Package lists may be missing on a new machine, or name versions that the archive no longer has.
  if (result.status !== 0 && !listsAreFresh && process.getuid() === 0) {
    say('apt-get update');
    spawnSync('apt-get', ['-qq', 'update'], { env, stdio: 'inherit' });
    listsAreFresh = true;
    result = run();
  }
  if (result.status !== 0) {
    throw new UsageError(`apt-get ${args.join(' ')} failed:\n${result.stderr ?? result.error}`);
  }
}

function installPackages(say) {
  if (spawnSync('dpkg-query', ['--version']).error) {
    throw new UsageError('the lab is built from Debian packages and this machine has no dpkg: use a Debian machine.');
  }
  const utils = newestPackage('dpkg-query', ['-W', 'xen-utils-4*']) ?? availableXen(say);
  const missing = [...PACKAGES, ...COMPILER, utils].filter((name) => !isInstalled(name));
  if (missing.length > 0) {
    if (process.getuid() !== 0) {
      throw new UsageError(`the lab needs Debian packages. As root:\n  apt-get install ${missing.join(' ')}`);
    }
    say(`installing ${missing.join(' ')}`);
    apt(['install', '-y', '--no-install-recommends', ...missing], say);
  }
  return utils.slice('xen-utils-'.length);
}

function newestPackage(command, args) {
  const found = spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '';
  const versions = [...found.matchAll(/\bxen-utils-4\.(\d+)(?=\s|$)/g)].map((match) => Number(match[1]));
  return versions.length > 0 ? `xen-utils-4.${Math.max(...versions)}` : undefined;
}

function availableXen(say) {
  const search = () => newestPackage('apt-cache', ['search', '--names-only', '^xen-utils-4']);
  let found = search();
  if (found === undefined && process.getuid() === 0) {
    say('apt-get update');
    spawnSync('apt-get', ['-qq', 'update'], { stdio: 'inherit' });
    listsAreFresh = true;
    found = search();
  }
  if (found === undefined) throw new UsageError('no package xen-utils-4.* is known here. As root: apt-get update');
  return found;
}

function kernelPackage() {
  const depends = execFileSync('apt-cache', ['depends', 'linux-image-amd64'], { encoding: 'utf8' });
  const found = /Depends: (linux-image-[0-9]\S*)/.exec(depends);
  if (!found) throw new UsageError('no package linux-image-amd64 is known here. As root: apt-get update');
  return found[1];
}

/** Hypervisor and kernel are unpacked, never installed: nothing touches this machine's own boot files. */
function unpack(folder, part, packageName, say) {
  const done = join(folder, part, '.done');
  if (existsSync(done)) return;
  rmSync(join(folder, part), { recursive: true, force: true });
  const deb = join(folder, part, 'deb');
  mkdirSync(deb, { recursive: true });
  chmodSync(deb, 0o777); // apt downloads as a user of its own
  const name = packageName();
  say(`unpacking ${name}`);
  apt(['download', name], say, deb);
  for (const file of readdirSync(deb)) execFileSync('dpkg', ['-x', join(deb, file), join(folder, part)]);
  writeFileSync(done, `${name}\n`);
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
  addModules(guest, modules, GUEST_MODULES.split(' '));
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

/** Copies each module with what it depends on and writes `modlist` in load order. */
function addModules(tree, modules, names) {
  mkdirSync(join(tree, 'lib/m'), { recursive: true });
  const dependencies = new Map();
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [path, needs] = line.split(':');
    if (needs !== undefined) dependencies.set(path, needs.trim().split(/\s+/).filter(Boolean));
  }
  const byName = new Map([...dependencies.keys()].map((path) => [basename(path).replace(/\.ko(\.\w+)?$/, ''), path]));
  const order = new Set();
  for (const name of names) {
    const path = byName.get(name);
    if (path === undefined) throw new Error(`${modules} has no module ${name}`);
    for (const needed of [...dependencies.get(path)].reverse()) order.add(needed);
    order.add(path);
  }
  for (const path of order) copyFileSync(join(modules, path), join(tree, 'lib/m', basename(path)));
  writeFileSync(join(tree, 'modlist'), [...order].map((path) => `${basename(path)}\n`).join(''));
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

// SPDX-License-Identifier: MIT
// What a guest is booted from: an emulator that is a client of vfio-user, a stock kernel and a small initial file system. All
// of it are Debian packages in a folder of their own; nothing of this machine changes but packages that make them.

import { spawnSync } from 'node:child_process';
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
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

const HERE = import.meta.dirname;
const SUITE = 'trixie';
/** The first emulator that is a client, major and minor. */
const EMULATOR = [10, 1];
const IN_ROOT = ['busybox-static', 'pciutils', 'kmod', 'xz-utils'];
const TOOLS = ['debootstrap', 'cpio'];

export class SetupError extends Error {}

/**
 * @typedef {object} Machine
 * @property {string} folder
 * @property {string} kernel file of the kernel
 * @property {string} modules folder of its modules
 * @property {string} image the initial file system, without devices' drivers
 * @property {readonly [command: string, ...args: string[]]} emulator how it is called, without its own options
 */

/** Makes the folder ready. Does only what is missing. @returns {Machine} */
export function setUp(folder, say) {
  mkdirSync(folder, { recursive: true });
  const root = join(folder, 'root');
  if (!existsSync(join(root, '.done'))) makeRoot(root, say);
  const kernel = join(folder, 'kernel');
  if (!existsSync(join(kernel, '.done'))) unpackKernel(root, kernel, say);
  const release = readdirSync(join(kernel, 'usr/lib/modules'))[0];
  const modules = join(kernel, 'usr/lib/modules', release);
  const machine = { folder, kernel: join(kernel, 'boot', `vmlinuz-${release}`), modules };
  return { ...machine, image: makeImage(folder, root, modules, say), emulator: emulatorIn(root) };
}

/** What is installed there, run without becoming another root: so a boot needs no privileges. */
function emulatorIn(root) {
  const libraries = ['usr/lib/x86_64-linux-gnu', 'usr/lib'].map((one) => join(root, one));
  return [
    join(root, 'usr/lib64/ld-linux-x86-64.so.2'),
    '--library-path',
    libraries.join(':'),
    join(root, 'usr/bin/qemu-system-x86_64'),
    '-L',
    join(root, 'usr/share/qemu'),
    '-L',
    join(root, 'usr/share/seabios'),
  ];
}

/** Where the emulator looks for its own modules. */
export const emulatorEnvironment = ({ folder }) => ({
  QEMU_MODULE_DIR: join(folder, 'root/usr/lib/x86_64-linux-gnu/qemu'),
});

const run = (command, args, options = {}) => {
  const done = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (done.status === 0) return done.stdout;
  throw new SetupError(`${command} ${args.join(' ')} failed:\n${(done.stderr ?? '').trim() || done.error}`);
};

const shell = (command) => run('sh', ['-c', command]);

/** The mirror that this machine's own packages come from. */
function mirror() {
  if (process.env.MIRROR !== undefined) return process.env.MIRROR;
  const files = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((one) => existsSync(one));
  const text = files.map((one) => readFileSync(one, 'utf8')).join('\n');
  const found = /^URIs:\s*(\S+)/m.exec(text) ?? /^deb\s+(?:\[.*?\]\s+)?(\S+)/m.exec(text);
  if (found === null) throw new SetupError('no mirror of Debian is known here: set MIRROR to one.');
  return found[1];
}

function makeRoot(root, say) {
  if (process.getuid() !== 0) {
    throw new SetupError('the first time root is needed, for Debian packages: sudo npm run guest -- --setup');
  }
  const missing = TOOLS.filter((one) => spawnSync('dpkg-query', ['-s', one]).status !== 0);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  if (missing.length > 0) {
    say(`installing ${missing.join(' ')}`);
    run('apt-get', ['-qq', 'update'], { env });
    run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...missing], { env });
  }
  const from = mirror();
  say(`a root of Debian ${SUITE} for the emulator, from ${from}`);
  rmSync(root, { recursive: true, force: true });
  run('debootstrap', ['--variant=minbase', `--include=${IN_ROOT.join(',')}`, SUITE, root, from], { env });
  const list = join(root, 'etc/apt/sources.list.d/backports.list');
  writeFileSync(list, `deb ${from} ${SUITE}-backports main\n`);
  const apt = (...args) => run('chroot', [root, 'apt-get', '-qq', ...args], { env });
  apt('update');
  say('the emulator');
  apt('install', '-y', '--no-install-recommends', '-t', `${SUITE}-backports`, 'qemu-system-x86');
  checkEmulator(root);
  apt('clean');
  writeFileSync(join(root, '.done'), '');
}

function checkEmulator(root) {
  const said = run('chroot', [root, 'qemu-system-x86_64', '--version']);
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(said) ?? [];
  const [wantedMajor, wantedMinor] = EMULATOR;
  if (Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor)) return;
  throw new SetupError(`the emulator is too old to be a client of vfio-user: ${said.split('\n')[0]}`);
}

/** Unpacked, never installed. */
function unpackKernel(root, kernel, say) {
  say('the kernel');
  rmSync(kernel, { recursive: true, force: true });
  mkdirSync(kernel, { recursive: true });
  const depends = run('chroot', [root, 'apt-cache', 'depends', 'linux-image-amd64']);
  const name = /Depends: (linux-image-\d\S*)/.exec(depends)?.[1];
  if (name === undefined) throw new SetupError('no package linux-image-amd64 is known there.');
  const place = join(root, 'var/tmp/kernel');
  mkdirSync(place, { recursive: true });
  chmodSync(place, 0o777); // apt downloads as a user of its own
  run('chroot', [root, 'sh', '-c', `cd /var/tmp/kernel && apt-get -qq download ${name}-unsigned`]);
  for (const file of readdirSync(place)) run('dpkg', ['-x', join(place, file), kernel]);
  rmSync(place, { recursive: true });
  shell(`find '${kernel}/usr/lib/modules' -name '*.ko.xz' -print0 | xargs -0 -n 100 unxz`);
  run('depmod', ['-b', join(kernel, 'usr'), readdirSync(join(kernel, 'usr/lib/modules'))[0]]);
  writeFileSync(join(kernel, '.done'), '');
}

// --- the initial file system ----------------------------------------------------------------------------------------

/** Made again when anything that goes into it changed. */
function makeImage(folder, root, modules, say) {
  const image = join(folder, 'guest.img');
  const sources = ['init', 'setup.mjs'].map((one) => readFileSync(join(HERE, one)));
  const stamp = sources.reduce((hash, one) => hash.update(one), createHash('sha256').update(modules)).digest('hex');
  const stampFile = join(folder, 'guest.stamp');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return image;
  say('the initial file system');
  const tree = join(folder, 'tree');
  rmSync(tree, { recursive: true, force: true });
  for (const part of ['bin', 'dev', 'proc', 'sys', 'etc', 'lib/m']) mkdirSync(join(tree, part), { recursive: true });
  copyFileSync(join(root, 'usr/bin/busybox'), join(tree, 'bin/busybox'));
  for (const tool of ['lspci', 'setpci']) addProgram(tree, root, tool);
  copyFileSync(join(HERE, 'init'), join(tree, 'init'));
  chmodSync(join(tree, 'init'), 0o755);
  pack(tree, image);
  writeFileSync(stampFile, stamp);
  return image;
}

/** A program of that root and the shared libraries that it is linked with, at their own paths. */
function addProgram(tree, root, name) {
  const path = ['usr/bin', 'usr/sbin'].map((one) => join('/', one, name)).find((one) => existsSync(join(root, one)));
  if (path === undefined) throw new SetupError(`${root} has no ${name}`);
  const libraries = run('chroot', [root, 'ldd', path]).match(/\/\S+/g) ?? [];
  for (const file of [path, ...libraries]) {
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    cpSync(realpathSync(join(root, file)), join(tree, file));
  }
}

export const pack = (tree, image) =>
  shell(`cd '${tree}' && find . | cpio -o -H newc 2>/dev/null | gzip -1 > '${image}'`);

/**
 * An initial file system that is laid over the other one: modules with what they depend on, in load order, and what the
 * guest does. Gives the file.
 *
 * @param {Machine} machine
 * @param {readonly string[]} names modules; of one that this kernel does not have nothing is said
 * @param {Readonly<Record<string, string>>} files texts by path
 */
export function overlay({ modules }, place, names, files) {
  const tree = join(place, 'overlay');
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, 'lib/m'), { recursive: true });
  const order = modulesOf(modules, names);
  for (const path of order) copyFileSync(join(modules, path), join(tree, 'lib/m', basename(path)));
  const all = { ...files, modlist: order.map((path) => `${basename(path)}\n`).join('') };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(tree, dirname(path)), { recursive: true });
    writeFileSync(join(tree, path), text, { mode: 0o755 });
  }
  const image = join(place, 'overlay.img');
  pack(tree, image);
  return image;
}

function modulesOf(modules, names) {
  const dependencies = new Map();
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [path, needs] = line.split(':');
    if (needs !== undefined) dependencies.set(path, needs.trim().split(/\s+/).filter(Boolean));
  }
  const plain = (name) => name.replaceAll('-', '_');
  const byName = new Map([...dependencies.keys()].map((path) => [plain(basename(path, '.ko')), path]));
  const order = new Set();
  for (const name of names) {
    const path = byName.get(plain(name));
    if (path === undefined) continue;
    for (const needed of [...dependencies.get(path)].reverse()) order.add(needed);
    order.add(path);
  }
  return [...order];
}

/** Names of the modules that this kernel would load for devices with these ids, as `modules.alias` has them. */
export function driversFor({ modules }, devices) {
  const hex = (value, digits) => value.toString(16).toUpperCase().padStart(digits, '0');
  const rules = [];
  for (const line of readFileSync(join(modules, 'modules.alias'), 'utf8').split('\n')) {
    const [, pattern, name] = /^alias (pci:\S+) (\S+)/.exec(line) ?? [];
    if (pattern === undefined) continue;
    rules.push({ form: new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`), name });
  }
  const found = new Set();
  for (const { vendor, device, subsystemVendor, subsystemDevice, class: code } of devices) {
    const id = `pci:v${hex(vendor, 8)}d${hex(device, 8)}sv${hex(subsystemVendor, 8)}sd${hex(subsystemDevice, 8)}bc${hex(code >> 16, 2)}sc${hex((code >> 8) & 0xff, 2)}i${hex(code & 0xff, 2)}`;
    for (const { form, name } of rules) if (form.test(id)) found.add(name);
  }
  return [...found];
}

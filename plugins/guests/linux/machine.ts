// SPDX-License-Identifier: MIT
// What a guest is booted from: an emulator that is a client of vfio-user, a stock kernel and a small initial file system. All
// of it are Debian packages in a folder of their own; nothing of this machine changes but packages that make them.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeImage } from './image.ts';
import { refuse, run, shell } from './shell.ts';

const SUITE = 'trixie';
/** The first emulator that is a client, major and minor. */
const EMULATOR: readonly [number, number] = [10, 1];
const IN_ROOT = ['busybox-static', 'pciutils', 'kmod', 'xz-utils'];
/** What makes it, on this machine: a bare one has none of them. */
const TOOLS = ['debootstrap', 'cpio', 'kmod', 'xz-utils'];
/** Where it lies when nobody says so. */
const FOLDER = '/var/tmp/pciback-guest';

/** Folder of emulator, kernel and file system. */
export const guestFolder = (): string => process.env.PCIBACK_GUEST ?? FOLDER;

export interface Machine {
  readonly folder: string;
  /** File of the kernel. */
  readonly kernel: string;
  /** Folder of its modules. */
  readonly modules: string;
  /** The initial file system, without devices' drivers. */
  readonly image: string;
  /** How it is called, without its own options. */
  readonly emulator: readonly [command: string, ...args: string[]];
}

export type Say = (text: string) => void;

/** Makes the folder ready. Does only what is missing. @throws PcibackError `GUEST_SYSTEM` */
export const setUp = (folder: string, say: Say): Machine => {
  mkdirSync(folder, { recursive: true });
  const root = join(folder, 'root');
  const kernel = join(folder, 'kernel');
  if (![root, kernel].every((one) => existsSync(join(one, '.done')))) installTools(say);
  if (!existsSync(join(root, '.done'))) makeRoot(root, say);
  if (!existsSync(join(kernel, '.done'))) unpackKernel(root, kernel, say);
  const [release = ''] = readdirSync(join(kernel, 'usr/lib/modules'));
  const modules = join(kernel, 'usr/lib/modules', release);
  const image = makeImage(folder, root, modules, say);
  return { folder, kernel: join(kernel, 'boot', `vmlinuz-${release}`), modules, image, emulator: emulatorIn(root) };
};

/** What is installed there, run without becoming another root: so a boot needs no privileges. */
const emulatorIn = (root: string): Machine['emulator'] => {
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
};

/** Where the emulator looks for its own modules. */
export const emulatorEnvironment = ({ folder }: Machine): Record<string, string> => ({
  QEMU_MODULE_DIR: join(folder, 'root/usr/lib/x86_64-linux-gnu/qemu'),
});

/** The mirror that this machine's own packages come from. */
const mirror = (): string => {
  if (process.env.MIRROR !== undefined) return process.env.MIRROR;
  const files = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((one) => existsSync(one));
  const text = files.map((one) => readFileSync(one, 'utf8')).join('\n');
  const found = /^URIs:\s*(\S+)/m.exec(text) ?? /^deb\s+(?:\[.*?\]\s+)?(\S+)/m.exec(text);
  return found?.[1] ?? refuse('no mirror of Debian is known here', 'Set MIRROR in the environment to one.');
};

/** What packages are installed with. */
const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };

const installTools = (say: Say): void => {
  if (process.getuid?.() !== 0) {
    const next = 'Once, as root: pciback quirk dev --guest linux --setup';
    refuse('the first time root is needed, for Debian packages', next);
  }
  const missing = TOOLS.filter((one) => spawnSync('dpkg-query', ['-s', one]).status !== 0);
  if (missing.length === 0) return;
  say(`installing ${missing.join(' ')}`);
  run('apt-get', ['-qq', 'update'], { env });
  run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...missing], { env });
};

const makeRoot = (root: string, say: Say): void => {
  const from = mirror();
  say(`a root of Debian ${SUITE} for the emulator, from ${from}`);
  rmSync(root, { recursive: true, force: true });
  run('debootstrap', ['--variant=minbase', `--include=${IN_ROOT.join(',')}`, SUITE, root, from], { env });
  const list = join(root, 'etc/apt/sources.list.d/backports.list');
  writeFileSync(list, `deb ${from} ${SUITE}-backports main\n`);
  const apt = (...args: readonly string[]): string => run('chroot', [root, 'apt-get', '-qq', ...args], { env });
  apt('update');
  say('the emulator');
  apt('install', '-y', '--no-install-recommends', '-t', `${SUITE}-backports`, 'qemu-system-x86');
  checkEmulator(root);
  apt('clean');
  writeFileSync(join(root, '.done'), '');
};

const checkEmulator = (root: string): void => {
  const said = run('chroot', [root, 'qemu-system-x86_64', '--version']);
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(said) ?? [];
  const [wantedMajor, wantedMinor] = EMULATOR;
  if (Number(major) > wantedMajor || (Number(major) === wantedMajor && Number(minor) >= wantedMinor)) return;
  refuse(`the emulator is too old to be a client of vfio-user: ${said.split('\n')[0]}`);
};

/** Unpacked, never installed. */
const unpackKernel = (root: string, kernel: string, say: Say): void => {
  say('the kernel');
  rmSync(kernel, { recursive: true, force: true });
  mkdirSync(kernel, { recursive: true });
  const depends = run('chroot', [root, 'apt-cache', 'depends', 'linux-image-amd64']);
  const name = /Depends: (linux-image-\d\S*)/.exec(depends)?.[1] ?? refuse('no package linux-image-amd64 is there');
  const place = join(root, 'var/tmp/kernel');
  mkdirSync(place, { recursive: true });
  chmodSync(place, 0o777); // apt downloads as a user of its own
  run('chroot', [root, 'sh', '-c', `cd /var/tmp/kernel && apt-get -qq download ${name}-unsigned`]);
  for (const file of readdirSync(place)) run('dpkg', ['-x', join(place, file), kernel]);
  rmSync(place, { recursive: true });
  shell(`find '${kernel}/usr/lib/modules' -name '*.ko.xz' -print0 | xargs -0 -n 100 unxz`);
  run('depmod', ['-b', join(kernel, 'usr'), readdirSync(join(kernel, 'usr/lib/modules'))[0] ?? '']);
  writeFileSync(join(kernel, '.done'), '');
};

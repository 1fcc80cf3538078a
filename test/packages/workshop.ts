// SPDX-License-Identifier: MIT

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { build, dist } from '../plugins/commands/built.ts';
import { dumpOf } from '../plugins/commands/places.ts';
import { startRegistry } from './registry.ts';

export interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** What is made: the words after `pciback new`, and the name of its package. */
export const made = [
  { words: ['quirk', 'acme/nic'], name: 'pciback-acme-nic' },
  { words: ['policy', 'acme/few'], name: 'pciback-acme-few' },
  { words: ['slots', 'acme/tail'], name: 'pciback-acme-tail' },
  { words: ['fields', 'acme/cap'], name: 'pciback-acme-cap' },
  { words: ['reset', 'acme/slow-reset'], name: 'pciback-acme-slow-reset' },
  { words: ['platform', '@acme/pciback-shelf'], name: '@acme/pciback-shelf' },
  { words: ['command', 'who'], name: 'pciback-who' },
  { words: ['part', 'refused-writes'], name: 'pciback-refused-writes' },
] as const;
export const quirkAsData = { words: ['quirk', 'acme/data', '--json'], name: 'pciback-acme-data' };
export const fromDump = [
  { words: ['quirk', 'acme/dumped', '--from-dump', 'nic.txt'], name: 'pciback-acme-dumped' },
  { words: ['quirk', 'acme/dumped-data', '--from-dump', 'nic.txt', '--json'], name: 'pciback-acme-dumped-data' },
];
export const fromTrace = [
  { words: ['quirk', 'acme/traced', '--from-trace', 'trace.log'], name: 'pciback-acme-traced' },
  {
    words: ['quirk', 'acme/traced-data', '--from-trace', 'trace.log', '--dump', 'nic.txt', '--json'],
    name: 'pciback-acme-traced-data',
  },
];
export const compiled = [...made, ...fromDump.slice(0, 1), ...fromTrace.slice(0, 1)];
export const asData = [quirkAsData, ...fromDump.slice(1), ...fromTrace.slice(1)];
export const all = [...made, quirkAsData, ...fromDump, ...fromTrace];

/** What QEMU writes of a driver that changes three registers of its vendor, in the device of `dumpOf`. */
const trace = [
  'vfio_realize  (0000:65:00.0) group 12',
  'vfio_pci_read_config  (0000:65:00.0, @0x0, len=0x4) 0x10d38086',
  'vfio_pci_read_config  (0000:65:00.0, @0x4, len=0x4) 0x100000',
  'vfio_pci_read_config  (0000:65:00.0, @0x8, len=0x4) 0x2000000',
  'vfio_pci_read_config  (0000:65:00.0, @0xc, len=0x4) 0x0',
  'vfio_pci_read_config  (0000:65:00.0, @0x34, len=0x1) 0x0',
  'vfio_pci_read_config  (0000:65:00.0, @0xb0, len=0x2) 0x100',
  'vfio_pci_write_config  (0000:65:00.0, @0xb0, 0x103, len=0x2)',
  'vfio_pci_write_config  (0000:65:00.0, @0xb4, 0xcafe, len=0x4)',
  'vfio_pci_write_config  (0000:65:00.0, @0xb8, 0x80, len=0x1)',
  'vfio_pci_write_config  (0000:65:00.0, @0x4, 0x7, len=0x2)',
].join('\n');

/** Where packages are written, packed and installed, with the packed pciback and a registry of this machine alone. */
export interface Workshop {
  /** Nothing of the repository is above it. */
  readonly home: string;
  /** Where packages are written: one folder of packages for all. */
  readonly work: string;
  /** `node_modules` that `npm install -g` installs into. */
  readonly modules: string;
  /** The packed pciback. */
  readonly tarball: string;
  /** What was printed for each package when it was made. */
  readonly said: ReadonlyMap<string, Ended>;
  /** The folder of a package in `work`. */
  folderOf(name: string): string;
  call(file: string, words: readonly string[], cwd: string): Promise<Ended>;
  /** @returns what it printed; throws when it fails */
  npm(words: readonly string[], cwd: string): Promise<string>;
  /** The installed command; `cwd`: `work`. */
  pciback(words: readonly string[], cwd?: string): Promise<Ended>;
  /** A folder with these files; `above`: `home`. */
  place(files: Readonly<Record<string, string>>, above?: string): string;
  /** Packs what is in `work` and installs these packages beside pciback. */
  installAll(names: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const root = resolve(import.meta.dirname, '../..');

/** Packs pciback, installs it, and makes the packages of {@link all} with it. */
export const openWorkshop = async (): Promise<Workshop> => {
  build();
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-new-')));
  const [work, prefix] = [join(home, 'work'), join(home, 'prefix')];
  for (const folder of [work, prefix]) mkdirSync(folder);
  const registry = await startRegistry(join(root, 'node_modules'));
  const call: Workshop['call'] = (file, words, cwd) =>
    new Promise((ended) => {
      // A root that others may write to is no place of root's own configuration.
      const ofNpm = { npm_config_cache: join(home, 'cache'), npm_config_registry: registry.url };
      const env = { ...process.env, ...ofNpm, npm_config_omit: 'optional' };
      execFile(file, words, { cwd, env, maxBuffer: 2 ** 24 }, (error, out, err) => {
        ended({ status: error === null ? 0 : Number(error.code ?? -1), out, err });
      });
    });
  const npm: Workshop['npm'] = async (words, cwd) => {
    const quiet = ['--no-audit', '--no-fund', '--no-update-notifier'];
    const { status, out, err } = await call('npm', [...words, ...quiet], cwd);
    if (status !== 0) throw new Error(`npm ${words.join(' ')}:\n${out}${err}`);
    return out;
  };
  const pciback: Workshop['pciback'] = (words, cwd = work) => call(join(prefix, 'bin/pciback'), words, cwd);
  const installed = (words: readonly string[]) => npm(['install', '-g', '--prefix', prefix, ...words], home);

  const staging = join(home, 'staging');
  for (const name of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'docs']) {
    cpSync(join(root, name), join(staging, name), { recursive: true });
  }
  cpSync(dist, join(staging, 'dist'), { recursive: true });
  const pack = async (folder: string): Promise<string> => {
    const file = join(folder, (await npm(['pack', '--ignore-scripts', '--silent'], folder)).trim());
    await registry.publish(file);
    return file;
  };
  const tarball = await pack(staging);
  const create = join(home, 'create');
  await call(process.execPath, [join(root, 'test/tools/create-package.mjs'), create], home);
  await pack(create);
  await installed(['pciback']);
  writeFileSync(join(work, 'nic.txt'), dumpOf(256));
  writeFileSync(join(work, 'trace.log'), trace);
  const said = new Map<string, Ended>();
  for (const { words, name } of all) said.set(name, await pciback(['new', ...words]));
  writeFileSync(join(work, 'package.json'), JSON.stringify({ private: true, workspaces: ['pciback-*'] }));
  await npm(['install'], work);

  return {
    home,
    work,
    modules: join(prefix, 'lib/node_modules'),
    tarball,
    said,
    folderOf: (name) => join(work, basename(name)),
    call,
    npm,
    pciback,
    place: (files, above = home) => {
      const folder = mkdtempSync(join(above, 'place-'));
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      return folder;
    },
    installAll: async (names) => {
      const words = ['pack', '--workspaces', '--ignore-scripts', '--silent', '--pack-destination', home];
      for (const packed of (await npm(words, work)).trim().split('\n')) await registry.publish(join(home, packed));
      await installed(names);
    },
    close: async () => {
      await registry.close();
      rmSync(home, { recursive: true });
    },
  };
};

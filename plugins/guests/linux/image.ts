// SPDX-License-Identifier: MIT
// Initial file systems: one with tools, and what is laid over it for a boot.

import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { init } from './init.ts';
import { refuse, run, shell } from './shell.ts';

/** Counts up when anything but the first process changes in what {@link makeImage} makes. */
const FORM = 1;

/** Makes it again when anything that goes into it changed. @returns the file */
export const makeImage = (folder: string, root: string, modules: string, say: (text: string) => void): string => {
  const image = join(folder, 'guest.img');
  const stamp = createHash('sha256').update(`${FORM} ${modules}\n${init}`).digest('hex');
  const stampFile = join(folder, 'guest.stamp');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return image;
  say('the initial file system');
  const tree = join(folder, 'tree');
  rmSync(tree, { recursive: true, force: true });
  for (const part of ['bin', 'dev', 'proc', 'sys', 'etc', 'lib/m']) mkdirSync(join(tree, part), { recursive: true });
  copyFileSync(join(root, 'usr/bin/busybox'), join(tree, 'bin/busybox'));
  for (const tool of ['lspci', 'setpci']) addProgram(tree, root, tool);
  writeFileSync(join(tree, 'init'), init);
  chmodSync(join(tree, 'init'), 0o755);
  pack(tree, image);
  writeFileSync(stampFile, stamp);
  return image;
};

/** A program of that root and the shared libraries that it is linked with, at their own paths. */
const addProgram = (tree: string, root: string, name: string): void => {
  const places = ['usr/bin', 'usr/sbin'].map((one) => join('/', one, name));
  const path = places.find((one) => existsSync(join(root, one))) ?? refuse(`${root} has no ${name}`);
  const libraries = run('chroot', [root, 'ldd', path]).match(/\/\S+/g) ?? [];
  for (const file of [path, ...libraries]) {
    mkdirSync(join(tree, dirname(file)), { recursive: true });
    cpSync(realpathSync(join(root, file)), join(tree, file));
  }
};

const pack = (tree: string, image: string): void => {
  // Put in its place whole: another guest may be about to start with the one that is there.
  shell(
    `cd '${tree}' && find . | cpio -o -H newc 2>/dev/null | gzip -1 > '${image}.new' && mv '${image}.new' '${image}'`,
  );
};

/**
 * An initial file system that is laid over the other one: modules with what they depend on, in load order, and what the
 * guest does.
 *
 * @param modules folder of the kernel's modules
 * @param place folder for it
 * @param names modules; of one that this kernel does not have nothing is said
 * @param files texts by path
 * @returns the file
 */
export const overlay = (
  modules: string,
  place: string,
  names: readonly string[],
  files: Readonly<Record<string, string>>,
): string => {
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
};

const modulesOf = (modules: string, names: readonly string[]): readonly string[] => {
  const dependencies = new Map<string, readonly string[]>();
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [path = '', needs] = line.split(':');
    if (needs !== undefined) dependencies.set(path, needs.trim().split(/\s+/).filter(Boolean));
  }
  const plain = (name: string): string => name.replaceAll('-', '_');
  const byName = new Map([...dependencies.keys()].map((path) => [plain(basename(path, '.ko')), path]));
  const order = new Set<string>();
  for (const name of names) {
    const path = byName.get(plain(name));
    if (path === undefined) continue;
    for (const needed of [...(dependencies.get(path) ?? [])].reverse()) order.add(needed);
    order.add(path);
  }
  return [...order];
};

/** The ids of a function by which a kernel finds its driver. */
export interface Identity {
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
  readonly class: number;
}

/** Names of the modules that this kernel would load for devices with these ids, as `modules.alias` has them. */
export const driversFor = (modules: string, devices: readonly Identity[]): readonly string[] => {
  const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
  const rules: { readonly form: RegExp; readonly name: string }[] = [];
  for (const line of readFileSync(join(modules, 'modules.alias'), 'utf8').split('\n')) {
    const [, pattern, name = ''] = /^alias (pci:\S+) (\S+)/.exec(line) ?? [];
    if (pattern === undefined) continue;
    rules.push({ form: new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`), name });
  }
  const found = new Set<string>();
  for (const { vendor, device, subsystemVendor, subsystemDevice, class: code } of devices) {
    const id = `pci:v${hex(vendor, 8)}d${hex(device, 8)}sv${hex(subsystemVendor, 8)}sd${hex(subsystemDevice, 8)}bc${hex(code >> 16, 2)}sc${hex((code >> 8) & 0xff, 2)}i${hex(code & 0xff, 2)}`;
    for (const { form, name } of rules) if (form.test(id)) found.add(name);
  }
  return [...found];
};

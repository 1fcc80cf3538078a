// SPDX-License-Identifier: MIT

import { readdir, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Bdf } from '../../../core/bdf.ts';
import { functionFolder, hostError, isMissing, linkName, readText } from './sysfs-files.ts';

/** Where a host is looked at, `/sys` and `/proc` outside of tests. */
export interface HostRoots {
  readonly sysfs: string;
  readonly proc: string;
}

/** Drivers that hold functions for guests: the host itself has no use for such a function. */
const HOLDERS: readonly string[] = ['pciback', 'pci-stub', 'vfio-pci'];

const namesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    // A host without such a thing has no folder for it, a disk without partitions is none.
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw hostError(`list of ${folder}`, error);
  }
};

/** Where a link of sysfs leads; `undefined` for one that is not there, or leads nowhere. */
const target = async (path: string): Promise<string | undefined> => {
  try {
    return await realpath(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw hostError(`look at ${path}`, error);
  }
};

const isBelow = (folder: string, path: string | undefined): boolean =>
  path !== undefined && (path === folder || path.startsWith(`${folder}/`));

const linesOf = async (path: string): Promise<readonly string[]> => {
  try {
    return ((await readText(path)) ?? '').split('\n');
  } catch (error) {
    throw hostError(`read of ${path}`, error);
  }
};

const wordsOf = (line: string): readonly string[] => line.trim().split(/\s+/);

const NO_GATEWAY = '00000000';
const ANYWHERE = '0'.repeat(32);

/** Interfaces by which everything goes for which there is no other way; a bridge or bond first, then what it is made of. */
const defaultRoutes = async ({ sysfs, proc }: HostRoots): Promise<ReadonlyMap<string, string>> => {
  const v4 = (await linesOf(`${proc}/net/route`)).map(wordsOf);
  const v6 = (await linesOf(`${proc}/net/ipv6_route`)).map(wordsOf);
  const top = [
    ...v4.filter(([, to, , , , , , mask]) => to === NO_GATEWAY && mask === NO_GATEWAY).map(([name]) => name),
    // Where nothing is reachable the kernel has such a route on lo.
    ...v6.filter(([to, bits]) => to === ANYWHERE && bits === '00').map((words) => words.at(-1)),
  ].filter((name): name is string => name !== undefined && name !== 'lo');
  const found = new Map<string, string>();
  const add = async (name: string, by: string): Promise<void> => {
    if (found.has(name)) return;
    found.set(name, by);
    for (const one of await namesIn(`${sysfs}/class/net/${name}`))
      if (one.startsWith('lower_')) await add(one.slice('lower_'.length), by);
  };
  for (const name of new Set(top)) await add(name, name);
  return found;
};

const networkUses = async (folder: string, roots: HostRoots): Promise<readonly string[]> => {
  const net = `${roots.sysfs}/class/net`;
  const own: string[] = [];
  for (const name of await namesIn(net)) if (isBelow(folder, await target(`${net}/${name}/device`))) own.push(name);
  if (own.length === 0) return [];
  const routes = await defaultRoutes(roots);
  return own.flatMap((name) => {
    const by = routes.get(name);
    if (by === undefined) return [];
    return [
      by === name
        ? `network ${name} has the default route`
        : `network ${name} is a part of ${by}, which has the default route`,
    ];
  });
};

/** A disk, a partition, or what is made of some. */
interface Block {
  readonly name: string;
  /** `8:1` */
  readonly number: string | undefined;
  /** As mount tables may call it. */
  readonly paths: readonly string[];
  readonly folder: string;
}

const blockAt = async (folder: string): Promise<Block> => {
  const name = basename(folder);
  const mapped = await readText(`${folder}/dm/name`);
  const paths = [`/dev/${name}`, ...(mapped === undefined ? [] : [`/dev/mapper/${mapped}`])];
  return { name, number: await readText(`${folder}/dev`), paths, folder };
};

/** A disk with its partitions. */
const partsOf = async (folder: string): Promise<readonly Block[]> => {
  const parts = [await blockAt(folder)];
  for (const name of await namesIn(folder)) {
    if (!name.startsWith(basename(folder))) continue;
    if ((await readText(`${folder}/${name}/partition`)) !== undefined) parts.push(await blockAt(`${folder}/${name}`));
  }
  return parts;
};

/** Mount tables write blanks and the like as `\040`. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** What the tables of the host say of blocks. */
interface Tables {
  readonly mounts: readonly { readonly number: string; readonly place: string; readonly source: string }[];
  readonly swaps: ReadonlySet<string>;
}

const readTables = async (proc: string): Promise<Tables> => ({
  mounts: (await linesOf(`${proc}/self/mountinfo`)).map((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , number = '', , place = ''] = wordsOf(before);
    const [, source = ''] = wordsOf(after);
    return { number, place: unescaped(place), source: unescaped(source) };
  }),
  swaps: new Set((await linesOf(`${proc}/swaps`)).slice(1).map((line) => unescaped(wordsOf(line)[0] ?? ''))),
});

/** What a block is used for, directly, or by what is made of it: RAID, LVM, encryption. */
const usesOfBlock = async (block: Block, tables: Tables, sysfs: string): Promise<readonly string[]> => {
  const { name, number, paths, folder } = block;
  // Some file systems have a number of their own; the source is the disk then.
  const places = tables.mounts
    .filter((one) => one.number === number || paths.includes(one.source))
    .map(({ place }) => place);
  const uses = [...new Set(places)].map((place) => `${place} is mounted from ${name}`);
  if (paths.some((path) => tables.swaps.has(path))) uses.push(`${name} is swap space`);
  for (const holder of await namesIn(`${folder}/holders`)) {
    const above = await target(`${sysfs}/block/${holder}`);
    const further: string[] = [];
    for (const one of above === undefined ? [] : await partsOf(above)) {
      further.push(...(await usesOfBlock(one, tables, sysfs)));
    }
    uses.push(...(further.length > 0 ? further.map((use) => `${use}, on ${name}`) : [`${holder} is made of ${name}`]));
  }
  return uses;
};

/** Controllers of a disk that several of them lead to, and that lies below none of them (NVMe multipath). */
const controllersOf = async (disk: string): Promise<readonly string[]> => {
  const subsystem = /^(.*\/nvme-subsystem\/[^/]+)\//.exec(disk)?.[1];
  if (subsystem === undefined) return [];
  const names = (await namesIn(subsystem)).filter((name) => /^nvme\d+$/.test(name));
  return (await Promise.all(names.map((name) => target(join(subsystem, name))))).filter((one) => one !== undefined);
};

const diskUses = async (folder: string, { sysfs, proc }: HostRoots): Promise<readonly string[]> => {
  const uses: string[] = [];
  let tables: Tables | undefined;
  for (const name of await namesIn(`${sysfs}/block`)) {
    const disk = await target(`${sysfs}/block/${name}`);
    if (disk === undefined) continue;
    const places = [disk, ...(await controllersOf(disk))];
    if (!places.some((place) => isBelow(folder, place))) continue;
    tables ??= await readTables(proc);
    for (const part of await partsOf(disk)) uses.push(...(await usesOfBlock(part, tables, sysfs)));
  }
  return uses;
};

/** Names of the kind's things that are the function's, `fb0` say. */
const ofClass = async (kind: string, folder: string, { sysfs }: HostRoots): Promise<readonly string[]> => {
  const own: string[] = [];
  for (const name of await namesIn(`${sysfs}/class/${kind}`))
    if (isBelow(folder, await target(`${sysfs}/class/${kind}/${name}/device`))) own.push(name);
  return own;
};

const consoleUses = async (folder: string, roots: HostRoots): Promise<readonly string[]> => {
  const consoles = (await linesOf(`${roots.proc}/consoles`)).map((line) => wordsOf(line)[0] ?? '');
  const serial = await ofClass('tty', folder, roots);
  const uses = serial.filter((name) => consoles.includes(name)).map((name) => `${name} is a console of the host`);
  if (consoles.includes('tty0'))
    uses.push(...(await ofClass('graphics', folder, roots)).map((name) => `the console is shown on ${name}`));
  for (const card of await ofClass('drm', folder, roots)) {
    for (const one of await namesIn(`${roots.sysfs}/class/drm/${card}`)) {
      if (!one.startsWith(`${card}-`)) continue;
      if ((await readText(`${roots.sysfs}/class/drm/${card}/${one}/enabled`)) === 'enabled')
        uses.push(`a picture is shown on ${one}`);
    }
  }
  return uses;
};

/** Whether the firmware showed its picture there. */
const isPrimaryDisplay = async (folder: string): Promise<boolean> => (await readText(`${folder}/boot_vga`)) === '1';

const PRIMARY = 'it is the primary display';

/**
 * What of this host works with a function now, in a few words each: mounted file systems and swap space on its disks, the default
 * route by its network, the console. It only reads. What programs do with a device cannot be seen from here, nor a pool of ZFS.
 *
 * @returns nothing for a function that is held for guests already
 * @throws HostError
 */
export const hostUses = async (address: Bdf, roots: HostRoots): Promise<readonly string[]> => {
  const folder = await target(functionFolder(roots.sysfs, address));
  if (folder === undefined) return [];
  const driver = await linkName(`${folder}/driver`);
  if (driver !== undefined && HOLDERS.includes(driver)) return [];
  const display = (await isPrimaryDisplay(folder)) ? [PRIMARY] : [];
  const uses = [networkUses, diskUses, consoleUses].map((look) => look(folder, roots));
  return [...new Set([...display, ...(await Promise.all(uses)).flat()])];
};

/** The same of one that is held for guests already, for `pciback doctor`: what the host will miss. @throws HostError */
export const missedUses = async (address: Bdf, { sysfs }: HostRoots): Promise<readonly string[]> =>
  (await isPrimaryDisplay(functionFolder(sysfs, address))) ? [PRIMARY] : [];

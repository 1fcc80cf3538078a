// SPDX-License-Identifier: MIT

import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseBdf } from '../../../core/bdf.ts';
import { describeError, isPcibackError } from '../../../core/errors/index.ts';
import type { PciResource } from '../../../core/platform/index.ts';
import { fail } from '../../errors.ts';
import { beyondXen, isBeyondXen, usableLine } from '../../host-facts.ts';
import { CommandBit } from './behaviour.ts';
import {
  CapabilityId,
  capabilitiesOf,
  type DeviceImage,
  hasRoom,
  noResources,
  put,
  readsOnes,
  silentImage,
  u16,
  u32,
} from './image.ts';

/** The directory the host's functions are read from. */
export const HOST_DIRECTORY = '/sys/bus/pci/devices';

const code = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/**
 * Images of this host's PCI functions. Only reads; nothing of the host is changed.
 *
 * The kernel gives an unprivileged reader the first 64 bytes of config space: the image is padded with zeros to 256 bytes
 * then, its capability list is cut off, and `known` is 64. A function that goes away while it is read is left out; so is
 * one that no Xen interface can name, which `note` is told.
 *
 * @returns an empty list on a host without PCI
 * @throws PcibackError `FILE_UNREADABLE`
 */
export const hostDevices = async (
  directory: string = HOST_DIRECTORY,
  note: (line: string) => void = () => {},
): Promise<DeviceImage[]> => {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (code(error) === 'ENOENT') return [];
    return fail('FILE_UNREADABLE', { file: directory, why: describeError(error) }, error);
  }
  const beyond = names.filter(isBeyondXen).sort();
  if (beyond.length > 0) note(beyondXen(beyond));
  const within = names.filter((name) => !isBeyondXen(name)).sort();
  const images = await Promise.all(within.map((name) => readFunction(join(directory, name), name)));
  return images.filter((one) => one !== undefined);
};

const readFunction = async (path: string, name: string): Promise<DeviceImage | undefined> => {
  try {
    const address = parseBdf(name);
    const [config, resource, vendor, device, irq, physical] = await Promise.all([
      readFile(join(path, 'config')),
      readFile(join(path, 'resource'), 'latin1'),
      readNumber(join(path, 'vendor')),
      readNumber(join(path, 'device')),
      readNumber(join(path, 'irq')),
      readLink(join(path, 'physfn')),
    ]);
    if (config.length < 64) fail('FILE_UNREADABLE', { file: join(path, 'config'), why: `${config.length} bytes` });
    if (readsOnes(config)) return { ...silentImage(address, 'host', config), vendor, device };
    return {
      bdf: address,
      source: 'host',
      vendor,
      device,
      ...completeConfig(config, 'as the host has it'),
      resources: parseResources(resource),
      line: usableLine(irq),
      virtualFunction: physical !== undefined,
      ...(physical === undefined ? {} : { physicalFunction: parseBdf(basename(physical)) }),
    };
  } catch (error) {
    if (isPcibackError(error)) throw error;
    if (code(error) === 'ENOENT' || code(error) === 'ENODEV') return undefined;
    return fail('FILE_UNREADABLE', { file: path, why: describeError(error) }, error);
  }
};

const readNumber = async (file: string): Promise<number> => Number((await readFile(file, 'latin1')).trim());

const readLink = async (file: string): Promise<string | undefined> => {
  try {
    return await readlink(file);
  } catch (error) {
    // Only a virtual function has this link.
    if (code(error) === 'ENOENT') return undefined;
    throw error;
  }
};

const PCI_X = 0x07;
/** Status of PCI-X, at +4: the function runs at 266 or 533 MHz, which is mode 2, with extended space. */
const PCI_X_MODE_2 = 0xc0000000;

/** Whether a function has extended space: of PCI Express or PCI-X 2, and there it is no mirror of the first 256 bytes. */
const hasExtendedSpace = (read: Uint8Array): boolean => {
  const capable = capabilitiesOf(read.subarray(0, 256)).some(
    ({ id, offset }) => id === CapabilityId.express || (id === PCI_X && (u32(read, offset + 4) & PCI_X_MODE_2) !== 0),
  );
  const pages = Array.from({ length: read.length / 0x100 }, (_, page) => u32(read, page * 0x100));
  const isMirror = pages.every((first) => first === pages[0]);
  return capable && !isMirror && pages[1] !== 0xffffffff;
};

/**
 * Brings config space to 256 or 4096 bytes; capabilities that lie in the part that is missing are unlinked.
 *
 * What the host's driver switched on (bus master, MSI, MSI-X) is off, as after the driver let the function go.
 *
 * @param extent whether the length is what the host made out, or whatever was read: a tool reads 4096 bytes of a function
 * with 256 too, as ones or as the first 256 again
 */
export const completeConfig = (
  read: Uint8Array,
  extent: 'as the host has it' | 'as read' = 'as read',
): { config: Uint8Array; known: number } => {
  const isLong = read.length > 256 && (extent === 'as the host has it' || hasExtendedSpace(read));
  const config = new Uint8Array(isLong ? 4096 : 256);
  config.set(read.subarray(0, config.length));
  if (read.length < 256) {
    put(config, 0x06, 2, u16(config, 0x06) & ~0x10);
    config[0x34] = 0;
  }
  // An extended space that does not answer reads all ones.
  if (config.length === 4096 && u32(config, 0x100) === 0xffffffff) config.fill(0, 0x100);
  put(config, 0x04, 2, u16(config, 0x04) & ~(CommandBit.master | CommandBit.intxDisable));
  for (const { id, offset } of capabilitiesOf(config).filter(hasRoom)) {
    const off = id === CapabilityId.msi ? 0x71 : id === CapabilityId.msix ? 0xc000 : 0;
    if (off !== 0) put(config, offset + 2, 2, u16(config, offset + 2) & ~off);
  }
  return { config, known: Math.min(read.length, config.length) };
};

const parseResources = (text: string): PciResource[] => {
  const resources = noResources();
  text
    .split('\n')
    .slice(0, resources.length)
    .forEach((line, index) => {
      const [start, end, flags] = line.trim().split(/\s+/);
      if (start === undefined || end === undefined || flags === undefined) return;
      const [from, to] = [BigInt(start), BigInt(end)];
      const bits = Number(BigInt(flags) & 0xffffffffn);
      if (bits !== 0 && to >= from && to !== 0n) resources[index] = { start: from, size: to - from + 1n, flags: bits };
    });
  return resources;
};

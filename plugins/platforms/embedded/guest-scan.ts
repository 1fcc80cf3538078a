// SPDX-License-Identifier: MIT

import { CommandBit } from './behaviour.ts';
import {
  type GuestBar,
  type GuestCapability,
  type GuestConfig,
  type GuestDevice,
  type Place,
  vdevOf,
} from './guest-device.ts';
import { CapabilityId } from './image.ts';

/** Vendor dwords that mean "nothing there". */
const nobody = new Set([0xffffffff, 0x00000000, 0x0000ffff, 0xffff0000]);

/**
 * Looks for functions on one root bus: all 256 numbers are asked, as the stock front end does.
 *
 * @param known tells the functions that are there already; they are not touched
 */
export const scanRoot = async (
  config: GuestConfig,
  root: { readonly segment: number; readonly bus: number },
  known: (at: Place) => boolean,
): Promise<GuestDevice[]> => {
  const found: GuestDevice[] = [];
  for (let devfn = 0; devfn < 256; devfn += 1) {
    const at = { ...root, devfn };
    if (known(at)) continue;
    const ids = await config.read(at, 0x00, 4);
    if (ids === undefined || nobody.has(ids)) continue;
    const device = await setUp(config, at, ids);
    if (device) found.push(device);
  }
  return found;
};

const setUp = async (config: GuestConfig, at: Place, ids: number): Promise<GuestDevice | undefined> => {
  const read = async (offset: number, size: 1 | 2 | 4): Promise<number> => (await config.read(at, offset, size)) ?? 0;
  const header = await read(0x0e, 1);
  const type = header & 0x7f;
  if (type > 1) return undefined;
  const classRevision = await read(0x08, 4);
  const pin = await read(0x3d, 1);
  const line = pin === 0 ? 0 : await read(0x3c, 1);
  const subsystem = type === 0 ? await read(0x2c, 4) : 0;
  const bars = await readBases(config, at, type);
  const capabilities = await walk(read);
  const express = capabilities.some((one) => one.id === CapabilityId.express);
  return {
    ...at,
    vdev: vdevOf(at),
    vendor: ids & 0xffff,
    device: ids >>> 16,
    subsystemVendor: subsystem & 0xffff,
    subsystemDevice: subsystem >>> 16,
    class: classRevision >>> 8,
    revision: classRevision & 0xff,
    headerType: type,
    multifunction: (header & 0x80) !== 0,
    interruptPin: pin,
    interruptLine: line,
    bars,
    capabilities,
    extended: express ? await walkExtended(config, at) : [],
    driver: undefined,
  };
};

const walk = async (read: (offset: number, size: 1 | 2 | 4) => Promise<number>): Promise<GuestCapability[]> => {
  const found: GuestCapability[] = [];
  if (((await read(0x06, 2)) & 0x10) === 0) return found;
  let at = (await read(0x34, 1)) & 0xfc;
  for (let left = 48; at >= 0x40 && left > 0; left -= 1) {
    const entry = await read(at, 2);
    const id = entry & 0xff;
    if (id === 0xff) break;
    found.push({ id, offset: at });
    at = (entry >>> 8) & 0xfc;
  }
  return found;
};

const walkExtended = async (config: GuestConfig, place: Place): Promise<GuestCapability[]> => {
  const found: GuestCapability[] = [];
  let at = 0x100;
  for (let left = 480; at >= 0x100 && left > 0; left -= 1) {
    const entry = await config.read(place, at, 4);
    if (entry === undefined || entry === 0 || entry === 0xffffffff) break;
    found.push({ id: entry & 0xffff, offset: at });
    at = (entry >>> 20) & 0xffc;
  }
  return found;
};

/** Sizes all BARs and the ROM, with decoding off meanwhile. */
const readBases = async (config: GuestConfig, at: Place, type: number): Promise<GuestBar[]> => {
  const decode = CommandBit.io | CommandBit.memory;
  const command = (await config.read(at, 0x04, 2)) ?? 0;
  if (command & decode) await config.write(at, 0x04, 2, command & ~decode);
  const bars: GuestBar[] = [];
  const count = type === 0 ? 6 : 2;
  for (let index = 0; index < count; index += 1) {
    const bar = await sizeBar(config, at, index);
    if (!bar) continue;
    bars.push(bar);
    if (bar.kind === 'memory64') index += 1;
  }
  const rom = await sizeRom(config, at, type === 0 ? 0x30 : 0x38);
  if (rom) bars.push(rom);
  if (command & decode) await config.write(at, 0x04, 2, command);
  return bars;
};

/** Reads a register, writes it with all `mask` bits set, reads it, and puts it back. */
const probe = async (config: GuestConfig, at: Place, offset: number, mask: number): Promise<[number, number]> => {
  const before = (await config.read(at, offset, 4)) ?? 0;
  await config.write(at, offset, 4, (before | mask) >>> 0);
  const sized = (await config.read(at, offset, 4)) ?? 0;
  await config.write(at, offset, 4, before);
  return sized === 0xffffffff ? [before, 0] : [before, sized];
};

const sizeBar = async (config: GuestConfig, at: Place, index: number): Promise<GuestBar | undefined> => {
  const offset = 0x10 + 4 * index;
  const [before, sized] = await probe(config, at, offset, 0xffffffff);
  if (sized === 0) return undefined;
  if (before & 0x1) {
    const mask = sized & 0xfffc;
    if (mask === 0) return undefined;
    return { index, kind: 'io', start: (before & ~0x3) >>> 0, size: mask & -mask, prefetchable: false };
  }
  const prefetchable = (before & 0x8) !== 0;
  const low = (sized & ~0xf) >>> 0;
  const start = (before & ~0xf) >>> 0;
  if ((before & 0x6) !== 0x4) {
    return low === 0 ? undefined : { index, kind: 'memory32', start, size: lowestBit(BigInt(low)), prefetchable };
  }
  const [high, highSized] = await probe(config, at, offset + 4, 0xffffffff);
  const size = lowestBit((BigInt(highSized) << 32n) | BigInt(low));
  return size === 0 ? undefined : { index, kind: 'memory64', start: start + high * 2 ** 32, size, prefetchable };
};

const sizeRom = async (config: GuestConfig, at: Place, offset: number): Promise<GuestBar | undefined> => {
  const [before, sized] = await probe(config, at, offset, 0xfffff800);
  const mask = (sized & 0xfffff800) >>> 0;
  if (mask === 0) return undefined;
  const start = (before & 0xfffff800) >>> 0;
  return { index: 6, kind: 'rom', start, size: lowestBit(BigInt(mask)), prefetchable: false };
};

const lowestBit = (mask: bigint): number => Number(mask & -mask);

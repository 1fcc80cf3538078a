// SPDX-License-Identifier: MIT

import { type PciResource, ResourceFlag } from '../../../core/platform/index.ts';
import { CapabilityId, capabilitiesOf, hasRoom, noResources, u16, u32 } from './image.ts';
import type { MentionedRegion } from './mentioned-region.ts';

const ONES = 0xffffffff;
const guessLimit = { memory: 0x100000n, io: 0x100n, rom: 0x20000n } as const;

/** The largest power of two that `start` is a multiple of, within the limit. */
const alignment = (start: bigint, limit: bigint): bigint => {
  const lowest = start & -start;
  return lowest === 0n || lowest > limit ? limit : lowest;
};

const powerOfTwo = (atLeast: bigint): bigint => {
  let size = 1n;
  while (size < atLeast) size *= 2n;
  return size;
};

const msixOf = (config: Uint8Array) =>
  capabilitiesOf(config).find((one) => one.id === CapabilityId.msix && hasRoom(one));

/** What MSI-X table and pending bits need of BAR `index`. */
const tableNeed = (config: Uint8Array, index: number): bigint => {
  const msix = msixOf(config);
  if (!msix) return 0n;
  const entries = (u16(config, msix.offset + 2) & 0x7ff) + 1;
  const end = (register: number, bytes: number): number =>
    (u32(config, register) & 7) === index ? (u32(config, register) & ~7) + bytes : 0;
  return BigInt(Math.max(end(msix.offset + 4, 16 * entries), end(msix.offset + 8, 8 * Math.ceil(entries / 64))));
};

/** A base address register, with the half that follows it if it has one. */
interface Slot {
  readonly index: number;
  /** Its low half; 0 where nothing is in it, all ones (lspci: `<ignored>`) included. */
  readonly register: number;
  readonly kind: 'memory' | 'io';
  readonly wide: boolean;
  /** The address in it. */
  readonly start: bigint;
}

const slotsOf = (config: Uint8Array, count: number): Slot[] => {
  const slots: Slot[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = 0x10 + 4 * index;
    const register = u32(config, at) === ONES ? 0 : u32(config, at);
    const io = (register & 0x1) !== 0;
    const wide = !io && (register & 0x6) === 0x4 && index + 1 < count;
    const low = BigInt((register & (io ? ~0x3 : ~0xf)) >>> 0);
    const start = wide ? low | (BigInt(u32(config, at + 4)) << 32n) : low;
    slots.push({ index, register, kind: io ? 'io' : 'memory', wide, start });
    if (wide) index += 1;
  }
  return slots;
};

/**
 * Which region is which register's, by number. Regions without one are known by their address, then by their order: one that
 * the register does not show goes to a register of its kind that no other region fits, or else to the lowest empty one; the
 * last of them to the BAR of the MSI-X table, if that one is empty.
 */
const placed = (slots: readonly Slot[], regions: readonly MentionedRegion[], table: number | undefined) => {
  const told = new Map<number, MentionedRegion>();
  const rest: MentionedRegion[] = [];
  for (const one of regions) {
    if (one.kind === 'rom') continue;
    const slot = slots.find(({ kind, start }) => start !== 0n && start === one.start && kind === one.kind);
    if (one.index !== undefined) told.set(one.index, one);
    else if (slot !== undefined) told.set(slot.index, one);
    else if (one.start !== undefined) rest.push(one);
  }
  const isFree = (index: number): boolean =>
    slots.some((slot) => slot.index === index && slot.register === 0 && !told.has(index));
  for (const [at, one] of rest.entries()) {
    const ofKind = slots.find(({ index, register, kind }) => register !== 0 && kind === one.kind && !told.has(index));
    const roomy = slots.find(({ index }) => isFree(index) && (!one.wide || isFree(index + 1)));
    const isLast = at === rest.length - 1 && ![...told.keys()].some((index) => index === table);
    const empty = isLast && table !== undefined && isFree(table) ? table : roomy?.index;
    const index = ofKind?.index ?? empty;
    if (index === undefined) continue;
    told.set(index, one);
    if (one.wide && ofKind === undefined) told.set(index + 1, { ...one, size: 0n });
  }
  return told;
};

/** Type bits of a register that shows none, from the words of the dump. */
const typeOf = ({ kind, wide, prefetchable }: MentionedRegion): number =>
  kind === 'io' ? 0x1 : (wide ? 0x4 : 0) | (prefetchable ? 0x8 : 0);

const romOf = (config: Uint8Array, headerType: number, told: MentionedRegion | undefined): PciResource | undefined => {
  const register = headerType <= 1 ? u32(config, headerType === 0 ? 0x30 : 0x38) : 0;
  const shown = register === ONES ? 0n : BigInt((register & 0xfffff800) >>> 0);
  const start = told?.start ?? shown;
  if (start === 0n) return undefined;
  const size = told?.size ?? alignment(start, guessLimit.rom);
  const fixed = start === shown ? 0 : ResourceFlag.fixed;
  return { start, size, flags: ResourceFlag.memory | fixed | (shown === 0n ? 0 : register & 1) };
};

/**
 * The resources of a dumped function. A verbose dump tells what the kernel knows, which counts where the register shows
 * something else: virtual functions, enhanced allocation, IDE in compatibility mode, BARs that were moved. Elsewhere
 * addresses are those of the registers, and sizes guessed as `parseDump` documents.
 */
export const dumpResources = (
  config: Uint8Array,
  mentioned: readonly MentionedRegion[],
  { virtual }: { readonly virtual: boolean },
): PciResource[] => {
  const resources = noResources();
  const headerType = (config[0x0e] ?? 0) & 0x7f;
  const slots = slotsOf(config, headerType === 0 ? 6 : headerType === 1 ? 2 : 0);
  const msix = msixOf(config);
  const told = placed(slots, mentioned, msix && u32(config, msix.offset + 4) & 7);
  for (const { index, register, wide, kind, start: shown } of slots) {
    const region = told.get(index);
    if (region?.size === 0n || (shown === 0n && region === undefined)) continue;
    const start = region?.start ?? shown;
    const type = register === 0 && region !== undefined ? typeOf(region) : register & (kind === 'io' ? 0x3 : 0xf);
    const io = (type & 0x1) !== 0;
    const need = tableNeed(config, index);
    const guess = alignment(start, guessLimit[io ? 'io' : 'memory']);
    const flags =
      (io ? ResourceFlag.io : ResourceFlag.memory) |
      (!io && (wide || (type & 0x6) === 0x4) ? ResourceFlag.memory64 : 0) |
      (!io && type & 0x8 ? ResourceFlag.prefetch : 0) |
      (start === 0n ? ResourceFlag.unassigned : 0) |
      (start !== shown && !virtual ? ResourceFlag.fixed : 0);
    resources[index] = {
      start,
      size: region?.size ?? (need > guess ? powerOfTwo(need) : guess),
      flags: flags | type,
    };
  }
  const rom = romOf(
    config,
    headerType,
    mentioned.find((one) => one.kind === 'rom'),
  );
  if (rom !== undefined) resources[6] = rom;
  return resources;
};

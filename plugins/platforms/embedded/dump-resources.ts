// SPDX-License-Identifier: MIT

import { type PciResource, ResourceFlag } from '../../../core/platform/index.ts';
import { CapabilityId, capabilitiesOf, noResources, u16, u32 } from './image.ts';

/** A region as a verbose dump tells it. */
export interface MentionedRegion {
  /** BAR number, where the dump is verbose enough to have it. */
  readonly index: number | undefined;
  readonly kind: 'memory' | 'io' | 'rom';
  readonly start: bigint | undefined;
  readonly size: bigint;
}

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

/** What MSI-X table and pending bits need of BAR `index`. */
const tableNeed = (config: Uint8Array, index: number): bigint => {
  const msix = capabilitiesOf(config).find((one) => one.id === CapabilityId.msix);
  if (!msix) return 0n;
  const entries = (u16(config, msix.offset + 2) & 0x7ff) + 1;
  const end = (register: number, bytes: number): number =>
    (u32(config, register) & 7) === index ? (u32(config, register) & ~7) + bytes : 0;
  return BigInt(Math.max(end(msix.offset + 4, 16 * entries), end(msix.offset + 8, 8 * Math.ceil(entries / 64))));
};

/**
 * The resources of a dumped function: addresses from its registers, sizes from what a verbose dump says, else guessed
 * as `parseDump` documents.
 */
export const dumpResources = (config: Uint8Array, mentioned: readonly MentionedRegion[]): PciResource[] => {
  const resources = noResources();
  const headerType = (config[0x0e] ?? 0) & 0x7f;
  const count = headerType === 0 ? 6 : headerType === 1 ? 2 : 0;
  const sizeOf = (kind: MentionedRegion['kind'], start: bigint, index: number | undefined): bigint => {
    const told =
      mentioned.find((one) => one.kind === kind && index !== undefined && one.index === index) ??
      mentioned.find((one) => one.kind === kind && one.start !== undefined && one.start === start);
    if (told) return told.size;
    const need = index === undefined ? 0n : tableNeed(config, index);
    const guess = alignment(start, guessLimit[kind]);
    return need > guess ? powerOfTwo(need) : guess;
  };

  for (let index = 0; index < count; index += 1) {
    const register = u32(config, 0x10 + 4 * index);
    const io = (register & 0x1) !== 0;
    const wide = !io && (register & 0x6) === 0x4 && index + 1 < count;
    const low = BigInt((register & (io ? ~0x3 : ~0xf)) >>> 0);
    const start = wide ? low | (BigInt(u32(config, 0x14 + 4 * index)) << 32n) : low;
    const told = mentioned.some((one) => one.index === index);
    if (start !== 0n || told) {
      const kind = io ? ResourceFlag.io : ResourceFlag.memory | (wide ? ResourceFlag.memory64 : 0);
      const prefetch = !io && register & 0x8 ? ResourceFlag.prefetch : 0;
      const unassigned = start === 0n ? ResourceFlag.unassigned : 0;
      resources[index] = {
        start,
        size: sizeOf(io ? 'io' : 'memory', start, index),
        flags: kind | prefetch | unassigned | (register & (io ? 0x3 : 0xf)),
      };
    }
    if (wide) index += 1;
  }

  const rom = headerType <= 1 ? u32(config, headerType === 0 ? 0x30 : 0x38) : 0;
  const romStart = BigInt((rom & 0xfffff800) >>> 0);
  if (romStart !== 0n) {
    resources[6] = {
      start: romStart,
      size: sizeOf('rom', romStart, undefined),
      flags: ResourceFlag.memory | (rom & 1),
    };
  }
  return resources;
};

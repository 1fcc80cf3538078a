// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { type Bdf, busOf, devfnOf, formatBdf, hex, segmentOf } from '../../../core/bdf.ts';

/**
 * Buses of one segment whose config space is memory: 1 MiB for each bus, one page for each function (PCI Express Base
 * Specification, "Enhanced Configuration Access Mechanism").
 */
export interface EcamRange {
  readonly segment: number;
  readonly firstBus: number;
  readonly lastBus: number;
  /** Where bus 0 of the segment is, or would be if the range had it. */
  readonly base: bigint;
}

/** A range as the kernel has reserved it. */
interface KernelRange extends Omit<EcamRange, 'base'> {
  readonly start: bigint;
  /** Inclusive. */
  readonly end: bigint;
}

const HEADER_BYTES = 44;
const ENTRY_BYTES = 16;
const BUS_SHIFT = 20n;
const PAGE_SHIFT = 12n;
/** No x86 machine has longer physical addresses. */
const MOST_ADDRESS = 1n << 52n;

const startOf = (base: bigint, bus: number): bigint => base + (BigInt(bus) << BUS_SHIFT);

/**
 * The ranges of the ACPI table MCFG (PCI Firmware Specification 3.x, 4.1.2). An entry that cannot be right is left out.
 *
 * @throws Error when the table as a whole is not what it should be
 */
export const parseMcfg = (bytes: Uint8Array): EcamRange[] => {
  const table = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (table.length < HEADER_BYTES || table.toString('latin1', 0, 4) !== 'MCFG')
    throw new Error('this is no MCFG table');
  const length = table.readUInt32LE(4);
  if (length < HEADER_BYTES || length > table.length || (length - HEADER_BYTES) % ENTRY_BYTES !== 0) {
    throw new Error(`the MCFG table has ${table.length} bytes and says ${length}`);
  }
  const sum = table.subarray(0, length).reduce((total, byte) => (total + byte) & 0xff, 0);
  if (sum !== 0) throw new Error('the checksum of the MCFG table is wrong');
  const ranges: EcamRange[] = [];
  for (let at = HEADER_BYTES; at < length; at += ENTRY_BYTES) {
    const base = table.readBigUInt64LE(at);
    const firstBus = table.readUInt8(at + 10);
    const lastBus = table.readUInt8(at + 11);
    const aligned = base !== 0n && (base & ((1n << BUS_SHIFT) - 1n)) === 0n;
    if (aligned && firstBus <= lastBus && startOf(base, lastBus + 1) <= MOST_ADDRESS) {
      ranges.push({ segment: table.readUInt16LE(at + 8), firstBus, lastBus, base });
    }
  }
  return ranges;
};

/** The name is `PCI MMCONFIG` up to Linux 6.7 and `PCI ECAM` since. */
const kernelLine =
  /^\s*([0-9a-f]{1,16})-([0-9a-f]{1,16}) : PCI (?:MMCONFIG|ECAM) ([0-9a-f]{4}) \[bus ([0-9a-f]{2})-([0-9a-f]{2})\]$/;

/** What `/proc/iomem` lists of config space. */
const parseIomem = (text: string): KernelRange[] =>
  text.split('\n').flatMap((line) => {
    const match = kernelLine.exec(line);
    if (match === null) return [];
    const [start = '', end = '', segment = '', first = '', last = ''] = match.slice(1);
    const [segmentNumber = 0, firstBus = 0, lastBus = 0] = [segment, first, last].map((part) =>
      Number.parseInt(part, 16),
    );
    return [{ segment: segmentNumber, firstBus, lastBus, start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) }];
  });

/**
 * The ranges that firmware describes and the kernel has taken for config space, with the kernel's buses: it cuts off
 * what firmware did not reserve. What the kernel does not use may be anything, also RAM. Addresses in `/proc/iomem` are
 * zero for everybody but root, so that nothing agrees then.
 */
export const agreedRanges = (mcfg: Uint8Array, iomem: string): EcamRange[] => {
  const described = parseMcfg(mcfg);
  return parseIomem(iomem).flatMap(({ segment, firstBus, lastBus, start, end }) => {
    const entry = described.find(
      (one) =>
        one.segment === segment &&
        one.firstBus <= firstBus &&
        lastBus <= one.lastBus &&
        start === startOf(one.base, firstBus) &&
        end === startOf(one.base, lastBus + 1) - 1n,
    );
    return entry === undefined ? [] : [{ segment, firstBus, lastBus, base: entry.base }];
  });
};

/**
 * {@link agreedRanges} of this host.
 *
 * @throws Error with the reason when there is none
 */
export const readRanges = (sysfs: string, iomem: string): EcamRange[] => {
  const ranges = agreedRanges(readFileSync(`${sysfs}/firmware/acpi/tables/MCFG`), readFileSync(iomem, 'latin1'));
  if (ranges.length === 0) throw new Error(`${iomem} lists no range of the MCFG table as the kernel's own`);
  return ranges;
};

/** `0000 [bus 00-ff]`, as the kernel prints it. */
export const describeRange = ({ segment, firstBus, lastBus }: EcamRange): string =>
  `${hex(segment, 4)} [bus ${hex(firstBus, 2)}-${hex(lastBus, 2)}]`;

/**
 * The page frame of a function's config space.
 *
 * @throws Error when no range has its bus
 */
export const frameOf = (ranges: readonly EcamRange[], address: Bdf): bigint => {
  const bus = busOf(address);
  const range = ranges.find(
    ({ segment, firstBus, lastBus }) => segment === segmentOf(address) && firstBus <= bus && bus <= lastBus,
  );
  if (range === undefined)
    throw new Error(`no range has ${formatBdf(address)}: ${ranges.map(describeRange).join(', ')}`);
  return (range.base >> PAGE_SHIFT) + BigInt((bus << 8) | devfnOf(address));
};

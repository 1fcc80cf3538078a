// SPDX-License-Identifier: MIT

import { fail } from './errors/index.ts';

/**
 * The address of one PCI function, packed: `segment << 16 | bus << 8 | device << 3 | function`.
 *
 * The packed form is the one the hypervisor uses (`machine_sbdf`) and a cheap map key; {@link formatBdf} shows it.
 */
export type Bdf = number & { readonly __bdf: unique symbol };

/** Packs an address; what does not fit (segment 16 bits, bus and devfn 8) is cut off. */
export const bdf = (segment: number, bus: number, devfn: number): Bdf =>
  ((((segment & 0xffff) << 16) | ((bus & 0xff) << 8) | (devfn & 0xff)) >>> 0) as Bdf;

export const segmentOf = (address: Bdf): number => address >>> 16;
export const busOf = (address: Bdf): number => (address >>> 8) & 0xff;
export const devfnOf = (address: Bdf): number => address & 0xff;
export const deviceOf = (address: Bdf): number => (address >>> 3) & 0x1f;
/** Number of the function in its slot, 0..7. */
export const functionOf = (address: Bdf): number => address & 7;

/** Lower-case hexadecimal without a prefix, padded to `digits`. */
export const hex = (value: number, digits: number): string => (value >>> 0).toString(16).padStart(digits, '0');

/** `DDDD:BB:SS.F`, as Linux and libxl print it. */
export const formatBdf = (address: Bdf): string =>
  `${hex(segmentOf(address), 4)}:${hex(busOf(address), 2)}:${hex(deviceOf(address), 2)}.${functionOf(address)}`;

/** `DDDD:BB:SS.FF`: the two-digit function is what `vdev-N` holds. */
export const formatVdev = (address: Bdf): string =>
  `${hex(segmentOf(address), 4)}:${hex(busOf(address), 2)}:${hex(deviceOf(address), 2)}.${hex(functionOf(address), 2)}`;

/** `DDDD:BB`, the value of `root-N`. */
export const formatRoot = (segment: number, bus: number): string => `${hex(segment, 4)}:${hex(bus, 2)}`;

/** A number of an address, as a regular expression. */
export const BDF_NUMBER = '(?:0x)?([0-9a-fA-F]{1,8})';
const exact = new RegExp(`^\\s*(?:${BDF_NUMBER}:)?${BDF_NUMBER}:${BDF_NUMBER}\\.${BDF_NUMBER}\\s*$`);

/** @throws PcibackError `BDF_RANGE` */
export const inRange = (text: string, value: number, limit: number, part: string): number => {
  if (value > limit) fail('BDF_RANGE', { text, part, value: hex(value, 1), limit: hex(limit, 1) });
  return value;
};

/**
 * Parses `[DDDD:]BB:SS.F`, hexadecimal, optional `0x` per number, blanks around it.
 *
 * @throws PcibackError `BDF_SYNTAX` or `BDF_RANGE`, naming the text.
 */
export const parseBdf = (text: string): Bdf => {
  const match = exact.exec(text);
  if (!match) return fail('BDF_SYNTAX', { text });
  const [, segment = '0', bus = '', device = '', fn = ''] = match;
  return bdf(
    inRange(text, Number.parseInt(segment, 16), 0xffff, 'segment'),
    inRange(text, Number.parseInt(bus, 16), 0xff, 'bus'),
    (inRange(text, Number.parseInt(device, 16), 0x1f, 'slot') << 3) |
      inRange(text, Number.parseInt(fn, 16), 7, 'function'),
  );
};

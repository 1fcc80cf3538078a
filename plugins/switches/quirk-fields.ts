// SPDX-License-Identifier: MIT

import { type Bdf, busOf, deviceOf, functionOf, hex } from '../../core/bdf.ts';
import type { Engine } from '../../core/pciback.ts';
import type { PlacedClaim } from '../../core/space/table.ts';
import type { SeizedDevice } from '../../core/stub/index.ts';
import { parseQuirkText } from '../quirk-text.ts';

/** A register of one device, as the attribute `quirks` lists it. */
export interface QuirkField {
  /** First byte. */
  readonly offset: number;
  readonly size: number;
  /** Bits that a quirk opens, from bit 0 of the first byte; 0 for a register that every device has. */
  readonly mask: number;
  /** Who brings it. */
  readonly owner: string;
}

const firstByte = (mask: number): number => (31 - Math.clz32(mask & -mask)) >> 3;
const lastByte = (mask: number): number => (31 - Math.clz32(mask)) >> 3;

/** Claims of one owner in one dword, together. */
const ofTable = (claims: readonly PlacedClaim[], isQuirk: (owner: string) => boolean): QuirkField[] => {
  const registers = new Map<string, PlacedClaim & { mask: number }>();
  for (const claim of claims) {
    const key = `${claim.dword} ${claim.owner}`;
    const known = registers.get(key);
    if (known === undefined) registers.set(key, { ...claim });
    else known.mask |= claim.mask;
  }
  return [...registers.values()].map(({ dword, mask, owner }) => {
    const first = firstByte(mask);
    const size = lastByte(mask) - first + 1;
    return { offset: dword + first, size, mask: isQuirk(owner) ? (mask >>> (8 * first)) >>> 0 : 0, owner };
  });
};

/** Registers that were opened by a text for a device that no guest has, and that has no table therefore. */
const ofTexts = (names: readonly string[], address: Bdf): QuirkField[] =>
  names.flatMap((name) => {
    if (!name.startsWith('text/')) return [];
    const { bdf, text } = parseQuirkText(name.slice('text/'.length));
    if (bdf !== address) return [];
    const [offset = 0, size = 0, mask = 0] = text
      .slice(text.indexOf('-') + 1)
      .split(':')
      .map((one) => Number.parseInt(one, 16));
    return [{ offset, size, mask, owner: name }];
  });

/** The registers of a device, by offset; while no guest has it, those that were opened for it alone. */
export const quirkFields = ({ plugins }: Engine, { bdf, assignment }: SeizedDevice): QuirkField[] => {
  const { names } = plugins.registries.quirks;
  // A claim's owner begins with who brings it: `text/0000:03:00.0-00e8:2:0000ffff: run-time register / 0xe8`.
  const isQuirk = (owner: string): boolean => names.some((name) => owner.startsWith(`${name}: `));
  const fields = assignment === undefined ? ofTexts(names, bdf) : ofTable(assignment.space.table.claims, isQuirk);
  return fields.sort((one, other) => one.offset - other.offset || one.size - other.size);
};

/** `03:00.0`, a tabulator and the ids, and two tabulators before each register; the address has no segment. */
export const quirksText = ({ bdf, identity }: SeizedDevice, fields: readonly QuirkField[]): string => {
  const { vendor, device, subsystemVendor, subsystemDevice } = identity;
  const ids = [vendor, device, subsystemVendor, subsystemDevice].map((id) => hex(id, 4)).join(':');
  return [
    `${hex(busOf(bdf), 2)}:${hex(deviceOf(bdf), 2)}.${functionOf(bdf)}\n\t${ids}\n`,
    ...fields.map(({ offset, size, mask }) => `\t\t${hex(offset, 8)}:${hex(size, 1)}:${hex(mask, 8)}\n`),
  ].join('');
};

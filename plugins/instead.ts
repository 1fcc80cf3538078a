// SPDX-License-Identifier: MIT

import type { Contribution } from '../core/space/compile.ts';
import type { FieldSet } from '../core/space/declaration.ts';

/** Field plugins that give bits to a quirk that says `instead`: nothing in them keeps a function from the host or others. */
export const givers = ['pcie', 'pci-x'] as const;

/** Bytes of the config space of a device, each with the bits that a register claims; those of code apart. */
const bytesOf = (
  set: FieldSet,
  base: number,
): { readonly name: string; readonly byte: number; readonly bits: number }[] =>
  set.registers.flatMap(({ name, offset, width, claims }) => {
    const mask = claims.reduce((all, claim) => (claim.policy === 'function' ? all : all | claim.mask), 0);
    return Array.from({ length: width / 8 }, (_, index) => ({
      name,
      byte: base + offset + index,
      bits: (mask >>> (8 * index)) & 0xff,
    }));
  });

/**
 * Registers of fields that a set of a quirk stands in place of, as `plugin: set / register`.
 *
 * @param taker is in force
 * @param baseOf where a set lies in the device; `undefined`: it has no such place
 * @param isHere whether the bits of a byte are meant; missing: all are
 */
export const takenFrom = (
  taker: FieldSet,
  contributions: readonly Contribution[],
  baseOf: (set: FieldSet) => number | undefined,
  isHere: (byte: number, bits: number) => boolean = () => true,
): readonly string[] => {
  const at = baseOf(taker);
  if (taker.instead === undefined || at === undefined) return [];
  const wanted = new Map<number, number>();
  for (const register of taker.registers) {
    const mask = register.claims.reduce((all, claim) => all | claim.mask, 0);
    for (let index = 0; index < register.width / 8; index++) {
      const byte = at + register.offset + index;
      wanted.set(byte, (wanted.get(byte) ?? 0) | ((mask >>> (8 * index)) & 0xff));
    }
  }
  const names = contributions.flatMap((one) => {
    if (!('set' in one) || one.owner !== `fields/${taker.instead}`) return [];
    const base = baseOf(one.set);
    if (base === undefined) return [];
    return bytesOf(one.set, base)
      .filter(({ byte, bits }) => {
        const shared = bits & (wanted.get(byte) ?? 0);
        return shared !== 0 && isHere(byte, shared);
      })
      .map(({ name }) => `${one.owner}: ${one.set.name} / ${name}`);
  });
  return [...new Set(names)];
};

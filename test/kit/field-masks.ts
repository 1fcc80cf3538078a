// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import type { BitClaim, FieldSet, Register } from '../../core/space/declaration.ts';
import type { BundledSet } from './bundled-sets.ts';
import { FakeFunction } from './fake-function.ts';

/**
 * What a bit does, as the committed masks name it: the policies of a claim, and what is left open by `emulated` (where
 * its first value comes from) and by `function` (which halves the behaviour has).
 */
export const kinds = [
  'readOnly',
  'writable',
  'clearedByOne',
  'emulated from hardware',
  'emulated from value',
  'shown',
  'reserved',
  'function',
  'function, reads hardware',
  'function, refuses writes',
] as const;
export type Kind = (typeof kinds)[number];

/** Masks of one register by kind, hexadecimal; `value` is what shown and emulated bits begin with. */
export type RegisterMasks = { readonly [One in Kind | 'value']?: string };

/** `test/fixtures/field-masks.json`: by set, by register (`0x08/16 device control`). */
export type FieldMasks = Readonly<Record<string, Readonly<Record<string, RegisterMasks>>>>;

export const kindOf = (claim: BitClaim): Kind => {
  switch (claim.policy) {
    case 'emulated':
      return claim.value === undefined ? 'emulated from hardware' : 'emulated from value';
    case 'function':
      if (claim.behaviour?.write === undefined) return 'function, refuses writes';
      return claim.behaviour.read === undefined ? 'function, reads hardware' : 'function';
    default:
      return claim.policy;
  }
};

/** The device that values are taken from which depend on one: always the same. */
export const standardFunction = (): FakeFunction => new FakeFunction({ line: 11 });

export const keyOf = (register: Register): string => `0x${hex(register.offset, 2)}/${register.width} ${register.name}`;

const text = (mask: number, width: number): string => `0x${hex(mask >>> 0, width / 4)}`;

const masksOfRegister = (register: Register): RegisterMasks => {
  const masks = new Map<Kind, number>();
  let value: number | undefined;
  for (const claim of register.claims) {
    const kind = kindOf(claim);
    masks.set(kind, (masks.get(kind) ?? 0) | claim.mask);
    if (claim.value === undefined) continue;
    const initial = typeof claim.value === 'number' ? claim.value : claim.value(standardFunction());
    value = (value ?? 0) | (initial & claim.mask);
  }
  return {
    ...Object.fromEntries(
      kinds.flatMap((kind) => (masks.has(kind) ? [[kind, text(masks.get(kind) ?? 0, register.width)]] : [])),
    ),
    ...(value === undefined ? {} : { value: text(value, register.width) }),
  };
};

const masksOfSet = (set: FieldSet): Readonly<Record<string, RegisterMasks>> =>
  Object.fromEntries(set.registers.map((register) => [keyOf(register), masksOfRegister(register)]));

/** What the code declares, in the form of the committed masks. */
export const declaredMasks = (sets: readonly BundledSet[]): FieldMasks =>
  Object.fromEntries(sets.map(({ key, set }) => [key, masksOfSet(set)]));

// SPDX-License-Identifier: MIT

import { hex } from '../bdf.ts';
import { fail } from '../errors/index.ts';
import type { PciFunction } from '../platform/pci.ts';
import type { Behaviour } from './behaviour.ts';

export type Width = 8 | 16 | 32;

/**
 * What becomes of one bit.
 *
 * | policy | a read shows | a write |
 * |---|---|---|
 * | readOnly | hardware | refused |
 * | writable | hardware | goes to hardware |
 * | clearedByOne | hardware | a one goes to hardware, a zero never |
 * | emulated | the guest's own value | changes that value, hardware never |
 * | shown | a value fixed at seizing | refused |
 * | reserved | hardware | ignored, and not counted as refused |
 * | function | what the behaviour reads | what the behaviour does |
 */
export type BitPolicy = 'readOnly' | 'writable' | 'clearedByOne' | 'emulated' | 'shown' | 'reserved' | 'function';

/** A value, or how to get it from the device when it is seized. */
export type Shown = number | ((device: PciFunction) => number);

/** Some bits of a register with one policy. */
export interface BitClaim {
  /** Bits of the register, counted from its own bit 0. */
  readonly mask: number;
  readonly policy: BitPolicy;
  /** For `emulated` and `shown`: the register-aligned first value. Missing for `emulated`: hardware's. */
  readonly value?: Shown;
  readonly behaviour?: Behaviour;
}

/** A register as data: its place, its width and who owns which bit. Immutable; each method returns a new declaration. */
export interface Register {
  /** Bytes from the anchor: the start of config space, or of the capability. */
  readonly offset: number;
  readonly width: Width;
  readonly name: string;
  readonly claims: readonly BitClaim[];
  /** Each method takes a mask; without one it means every bit that nobody claimed yet. */
  readOnly(mask?: number): Register;
  writable(mask?: number): Register;
  clearedByOne(mask?: number): Register;
  emulated(mask?: number, initial?: Shown): Register;
  shows(value: Shown, mask?: number): Register;
  reserved(mask?: number): Register;
  calls(behaviour: Behaviour, mask?: number): Register;
  /** The same register `bytes` further on. */
  movedBy(bytes: number): Register;
}

const full = (width: Width): number => (width === 32 ? 0xffffffff : (1 << width) - 1);

class Declared implements Register {
  readonly offset: number;
  readonly width: Width;
  readonly name: string;
  readonly claims: readonly BitClaim[];

  constructor(offset: number, width: Width, name: string, claims: readonly BitClaim[]) {
    this.offset = offset;
    this.width = width;
    this.name = name;
    this.claims = claims;
  }

  readOnly(mask?: number): Register {
    return this.#claim('readOnly', mask);
  }
  writable(mask?: number): Register {
    return this.#claim('writable', mask);
  }
  clearedByOne(mask?: number): Register {
    return this.#claim('clearedByOne', mask);
  }
  emulated(mask?: number, initial?: Shown): Register {
    return this.#claim('emulated', mask, initial === undefined ? {} : { value: initial });
  }
  shows(value: Shown, mask?: number): Register {
    return this.#claim('shown', mask, { value });
  }
  reserved(mask?: number): Register {
    return this.#claim('reserved', mask);
  }
  calls(behaviour: Behaviour, mask?: number): Register {
    return this.#claim('function', mask, { behaviour });
  }

  movedBy(bytes: number): Register {
    return new Declared(this.offset + bytes, this.width, this.name, this.claims);
  }

  #claim(policy: BitPolicy, asked: number | undefined, extra: Partial<BitClaim> = {}): Register {
    const taken = this.claims.reduce((bits, claim) => (bits | claim.mask) >>> 0, 0);
    const mask = asked === undefined ? (full(this.width) & ~taken) >>> 0 : asked >>> 0;
    if (asked !== undefined && (asked < 0 || asked > full(this.width))) {
      fail('FIELD_INVALID', { register: this.name, why: `mask 0x${hex(asked, 1)} is wider than ${this.width} bits` });
    }
    if ((mask & taken) !== 0) {
      const bits = hex(mask & taken, this.width / 4);
      fail('FIELD_OVERLAP', { register: this.name, other: this.name, offset: hex(this.offset, 2), bits });
    }
    if (mask === 0) fail('FIELD_INVALID', { register: this.name, why: `no bit is left to be ${policy}` });
    if (policy === 'function' && this.claims.some((claim) => claim.policy === 'function')) {
      fail('FIELD_INVALID', { register: this.name, why: 'a register has one behaviour' });
    }
    return new Declared(this.offset, this.width, this.name, [...this.claims, { mask, policy, ...extra }]);
  }
}

/**
 * Declares a register without a claim to any bit.
 *
 * @param offset bytes from the anchor, 0..4095
 * @param width in bits
 * @throws PcibackError `FIELD_INVALID`
 */
export const register = (offset: number, width: Width, name: string): Register => {
  if (!Number.isInteger(offset) || offset < 0 || offset + width / 8 > 4096) {
    fail('FIELD_INVALID', { register: name, why: `offset ${offset} is outside of config space` });
  }
  if (width !== 8 && width !== 16 && width !== 32) {
    fail('FIELD_INVALID', { register: name, why: `width ${String(width)} is not 8, 16 or 32 bits` });
  }
  return new Declared(offset, width, name, []);
};

/** Mask of one bit. */
export const bit = (n: number): number => (1 << n) >>> 0;
/** Mask of the bits `high` down to `low`. */
export const bits = (high: number, low: number): number => ((2 ** (high - low + 1) - 1) * 2 ** low) >>> 0;

/** Where a set of registers lies. */
export type Anchor =
  | { readonly kind: 'header'; readonly types: readonly (0 | 1)[] }
  /** The first capability of this id in the list at 0x34. */
  | { readonly kind: 'capability'; readonly id: number }
  /** The first extended capability of this id in the list at 0x100. */
  | { readonly kind: 'extended'; readonly id: number };

/** Registers that belong together, with one name and one anchor. */
export interface FieldSet {
  /** A word of the field: `header`, `power management`, … */
  readonly name: string;
  readonly anchor: Anchor;
  readonly registers: readonly Register[];
  /**
   * Whether this device has it in this form; looked at when a table is compiled. Missing: always. Sets of one plugin at
   * one anchor that all have a condition are forms of the same thing, and may lie over each other.
   */
  readonly when?: (device: PciFunction, base: number) => boolean;
}

/** Registers at fixed offsets of every function whose header is one of `types`. */
export const header = (name: string, types: readonly (0 | 1)[], registers: readonly Register[]): FieldSet => ({
  name,
  anchor: { kind: 'header', types },
  registers,
});

/** Registers of a capability; offsets count from it. Its id and next pointer belong to the list, not to the set. */
export const capability = (
  id: number,
  name: string,
  registers: readonly Register[],
  when?: FieldSet['when'],
): FieldSet => ({ name, anchor: { kind: 'capability', id }, registers, ...(when === undefined ? {} : { when }) });

/** Registers of an extended capability; offsets count from it. Its 32-bit header belongs to the list, not to the set. */
export const extendedCapability = (
  id: number,
  name: string,
  registers: readonly Register[],
  when?: FieldSet['when'],
): FieldSet => ({ name, anchor: { kind: 'extended', id }, registers, ...(when === undefined ? {} : { when }) });

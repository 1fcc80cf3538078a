// SPDX-License-Identifier: MIT

import { hex } from '../bdf.ts';
import { fail } from '../errors/index.ts';
import type { PciFunction } from '../platform/pci.ts';
import type { Behaviour } from './behaviour.ts';

/** Bits of a register. */
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
 * | shown | a value that was found when the table was compiled | refused |
 * | reserved | hardware | ignored, and not counted as refused |
 * | function | what the behaviour reads | what the behaviour does |
 *
 * A device's table is compiled when a guest gets the device, and again when fields or quirks change while it has it.
 */
export type BitPolicy = 'readOnly' | 'writable' | 'clearedByOne' | 'emulated' | 'shown' | 'reserved' | 'function';

/**
 * A value of the register, aligned to its bit 0, or how to get it from the device. The function runs each time the device's
 * table is compiled.
 */
export type Shown = number | ((device: PciFunction) => number);

/** Some bits of a register with one policy. */
export interface BitClaim {
  /** Bits of the register, counted from its own bit 0. */
  readonly mask: number;
  /** What becomes of them. */
  readonly policy: BitPolicy;
  /** For `emulated` the first value (missing: hardware's), for `shown` the value. */
  readonly value?: Shown;
  /** For `function`. */
  readonly behaviour?: Behaviour;
}

/**
 * A register as data: its place, its width and who owns which bit. It never changes: each method returns a new one.
 *
 * A mask counts from the register's own bit 0; without one a method means every bit that is not claimed yet. Bits that
 * nobody claims show hardware, and writes to them are refused, or pass in permissive mode.
 *
 * Every method throws PcibackError `FIELD_INVALID` for a mask that is wider than the register, or when no bit is left, and
 * `FIELD_OVERLAP` for a bit that is claimed already.
 */
export interface Register {
  /** Bytes from the anchor: the start of config space, or of the capability. */
  readonly offset: number;
  /** Bits of the register. */
  readonly width: Width;
  /** As the data sheet calls it. */
  readonly name: string;
  /** Who owns which bit, in the order in which it was said. */
  readonly claims: readonly BitClaim[];
  /** The guest sees hardware's bits; a write that would change one is refused, also in permissive mode. */
  readOnly(mask?: number): Register;
  /** The guest sees hardware's bits, and writes them. */
  writable(mask?: number): Register;
  /** The guest sees hardware's bits; a one that it writes goes to hardware, a zero never: bits that a one clears. */
  clearedByOne(mask?: number): Register;
  /**
   * The guest has a value of its own: it reads what it wrote, and hardware never sees it.
   *
   * @param initial what the bits show at first; missing: what hardware has
   */
  emulated(mask?: number, initial?: Shown): Register;
  /** The guest sees this value in place of hardware's; a write that would change it is refused. */
  shows(value: Shown, mask?: number): Register;
  /** The guest sees hardware's bits; a write is ignored, and not counted as refused. */
  reserved(mask?: number): Register;
  /**
   * Code answers for these bits. A register has one behaviour, and is then aligned to its width.
   *
   * @param mask the bits that the behaviour owns; it finds them as `at.mask`
   */
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
 * Declares a register without a claim to any bit; its methods claim them.
 *
 * ```ts
 * register(0xf4, 8, 'status').clearedByOne(bit(7)).readOnly()
 * ```
 *
 * @param offset bytes from the anchor, 0..4095
 * @param width in bits
 * @param name as the data sheet calls it, for messages and `pciback explain`
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

/** Mask of one bit: `bit(7)` is 0x80. */
export const bit = (n: number): number => (1 << n) >>> 0;
/** Mask of the bits `high` down to `low`, as data sheets write them: `bits(3, 0)` is 0x0f. */
export const bits = (high: number, low: number): number => ((2 ** (high - low + 1) - 1) * 2 ** low) >>> 0;

/** Where a set of registers lies. */
export type Anchor =
  | { readonly kind: 'header'; readonly types: readonly (0 | 1)[] }
  /** The first capability of this id in the list at 0x34. */
  | { readonly kind: 'capability'; readonly id: number }
  /** The first extended capability of this id in the list at 0x100. */
  | { readonly kind: 'extended'; readonly id: number };

/** What can be said of a set beside its place and its registers. */
export interface FieldSetOptions {
  /**
   * Whether this device has it in this form; looked at when a table is compiled. Missing: always. `base` is where the set
   * lies, in bytes. Sets of one plugin at one anchor that all have a condition are forms of the same thing, and may lie over
   * each other.
   */
  readonly when?: (device: PciFunction, base: number) => boolean;
  /** Where another set has one of its bits in a device it is left out there, and nothing is said. Missing: it is said. */
  readonly yields?: boolean;
  /** Bits of this field plugin (`pcie`: of `fields/pcie`) are taken from it, but for those with code behind them. */
  readonly instead?: string;
}

/** Registers that belong together, with one name and one anchor. */
export interface FieldSet extends FieldSetOptions {
  /** A word of the field: `header`, `power management`, … */
  readonly name: string;
  /** What the registers' offsets count from. */
  readonly anchor: Anchor;
  /** No two of them claim the same bit. */
  readonly registers: readonly Register[];
}

/**
 * Registers at fixed offsets of every function whose header is one of `types`.
 *
 * @param name a word for the set
 * @param types 0: endpoints; 1: bridges
 * @param registers their offsets count from the start of config space
 */
export const header = (
  name: string,
  types: readonly (0 | 1)[],
  registers: readonly Register[],
  options: FieldSetOptions = {},
): FieldSet => ({ name, anchor: { kind: 'header', types }, registers, ...options });

const atId =
  (kind: 'capability' | 'extended') =>
  (id: number, name: string, registers: readonly Register[], options: FieldSetOptions = {}): FieldSet => ({
    name,
    anchor: { kind, id },
    registers,
    ...options,
  });

/**
 * Registers of a capability. Its id and next pointer belong to the list, not to the set.
 *
 * @param id of the first capability of this kind in the list at 0x34
 * @param name a word for the set
 * @param registers their offsets count from the capability, wherever a device has it
 */
export const capability = atId('capability');

/** As {@link capability}, in the list at 0x100: the 32-bit header belongs to the list. */
export const extendedCapability = atId('extended');

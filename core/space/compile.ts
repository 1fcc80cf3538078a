// SPDX-License-Identifier: MIT

import { hex } from '../bdf.ts';
import { fail } from '../errors/index.ts';
import type { Behaviour, DeviceOperations, RegisterAccess } from './behaviour.ts';
import type { BitClaim, FieldSet, Register, Shown } from './declaration.ts';

/** A set of registers with the name of the plugin or quirk that brings it. */
export interface Contribution {
  readonly owner: string;
  readonly set: FieldSet;
}

/** Bits of one aligned dword with one policy and one owner. */
export interface PlacedClaim {
  /** Dword-aligned byte offset. */
  readonly dword: number;
  /** Bits of the dword, unsigned. */
  readonly mask: number;
  readonly policy: BitClaim['policy'];
  /** `plugin: set / register`. */
  readonly owner: string;
}

/** Called when a guest's write is refused; `mask` counts from the register's own bit 0. */
export type DenyRegister = (offset: number, size: 1 | 2 | 4, mask: number, owner: string, why: string) => void;

/** A register with code behind some of its bits, placed in one device's config space. */
export class PlacedRegister implements RegisterAccess {
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  readonly device: DeviceOperations;
  readonly behaviour: Behaviour;
  readonly owner: string;
  /** Bits of the register that the behaviour owns, unsigned. */
  readonly mask: number;
  /** Bit position of the register in its dword. */
  readonly shift: number;
  words: Uint32Array = new Uint32Array(0);
  readonly #deny: DenyRegister;

  constructor(place: {
    offset: number;
    size: 1 | 2 | 4;
    device: DeviceOperations;
    behaviour: Behaviour;
    owner: string;
    mask: number;
    deny: DenyRegister;
  }) {
    this.offset = place.offset;
    this.size = place.size;
    this.device = place.device;
    this.behaviour = place.behaviour;
    this.owner = place.owner;
    this.mask = place.mask;
    this.shift = (place.offset & 3) << 3;
    this.#deny = place.deny;
  }

  read(): number {
    return this.device.hardware.readConfig(this.offset, this.size) >>> 0;
  }

  write(value: number): void {
    this.device.hardware.writeConfig(this.offset, this.size, value >>> 0);
  }

  deny(mask: number, why: string): void {
    this.#deny(this.offset, this.size, mask >>> 0, this.owner, why);
  }

  /** The register as the guest sees it. */
  view(): number {
    return (this.behaviour.read === undefined ? this.read() : this.behaviour.read(this)) >>> 0;
  }
}

/**
 * Config space of one device as flat arrays, one element per aligned dword: a guest's access is aligned and at most
 * four bytes, so it never needs more than one element of each. All masks are signed 32-bit bit patterns.
 */
export interface CompiledSpace {
  readonly size: number;
  /** Bits that go to hardware as written. */
  readonly writable: Int32Array;
  /** Bits of which a one goes to hardware. */
  readonly ones: Int32Array;
  /** Bits that a read takes from elsewhere than hardware: `shadowed`, and those a behaviour reads. */
  readonly answered: Int32Array;
  /** Bits that a read takes from `shadow`. */
  readonly shadowed: Int32Array;
  readonly shadow: Int32Array;
  /** Bits of `shadow` that the guest may change. */
  readonly own: Int32Array;
  /** Bits whose writes are ignored without counting as refused. */
  readonly reserved: Int32Array;
  /** Bits with a behaviour. */
  readonly coded: Int32Array;
  /** Registers with a behaviour, per dword. */
  readonly registers: readonly (readonly PlacedRegister[] | undefined)[];
  /** State words of all behaviours, in one place. */
  readonly words: Uint32Array;
  /** Who owns which bit; bits in no claim have no field. */
  readonly claims: readonly PlacedClaim[];
}

/** What becomes of bits that nobody claims. */
export type Unhandled = 'drop' | 'permissive';

export interface CompileOptions {
  readonly unhandled: Unhandled;
  readonly deny: DenyRegister;
  /** Told about sets of a malformed device that were left out (two capabilities over each other). */
  readonly skipped: (set: string, why: string) => void;
}

const firstValue = (shown: Shown, device: DeviceOperations): number =>
  typeof shown === 'number' ? shown : shown(device.hardware);

/** Where the set lies in this device; `undefined` when the device has no such place. */
const anchorOf = ({ anchor }: FieldSet, device: DeviceOperations): number | undefined => {
  if (anchor.kind === 'header') {
    return (anchor.types as readonly number[]).includes(device.hardware.identity.headerType) ? 0 : undefined;
  }
  const list = anchor.kind === 'capability' ? device.lists.standard : device.lists.extended;
  return list.find((one) => one.id === anchor.id)?.offset;
};

/** Splits a register's bits into the dwords they lie in: a register need not be aligned to its width. */
const intoDwords = (offset: number, mask: number): { dword: number; mask: number; shift: number }[] => {
  const parts = [];
  const shift = (offset & 3) << 3;
  const low = (mask << shift) >>> 0;
  if (low !== 0) parts.push({ dword: offset & ~3, mask: low, shift });
  const high = shift === 0 ? 0 : mask >>> (32 - shift);
  if (high !== 0) parts.push({ dword: (offset & ~3) + 4, mask: high, shift: shift - 32 });
  return parts;
};

const shifted = (value: number, shift: number): number => (shift >= 0 ? value << shift : value >>> -shift);

/**
 * Merges all contributions into the table of one device.
 *
 * Behaviours are attached (they may read and write the device). A set that lies outside of config space in this device,
 * or over bits that an earlier set owns in it (a malformed capability list, D-C3; a quirk over a capability), is left
 * out and reported. Overlaps that no device is needed for are refused before, when plugins are loaded.
 */
export const compileSpace = (
  device: DeviceOperations,
  contributions: readonly Contribution[],
  options: CompileOptions,
): CompiledSpace => {
  const size = device.hardware.identity.configSize;
  const table = () => new Int32Array(size >> 2);
  const space = {
    size,
    writable: table(),
    ones: table(),
    answered: table(),
    shadowed: table(),
    shadow: table(),
    own: table(),
    reserved: table(),
    coded: table(),
    registers: new Array<PlacedRegister[] | undefined>(size >> 2).fill(undefined),
  };
  const claims: PlacedClaim[] = [];

  const conflict = (
    set: FieldSet,
    base: number,
  ): { register: Register; other: PlacedClaim; bits: number } | undefined => {
    for (const register of set.registers) {
      for (const claim of register.claims) {
        for (const part of intoDwords(base + register.offset, claim.mask)) {
          for (const other of claims) {
            // Two that only show hardware are not in each other's way: a quirk may name a capability that a field has.
            const harmless = claim.policy === 'readOnly' && other.policy === 'readOnly';
            const bits = other.dword === part.dword && !harmless ? (other.mask & part.mask) >>> 0 : 0;
            if (bits !== 0) return { register, other, bits };
          }
        }
      }
    }
    return undefined;
  };

  const place = (owner: string, register: Register, base: number): void => {
    const offset = base + register.offset;
    for (const claim of register.claims) {
      for (const { dword, mask, shift } of intoDwords(offset, claim.mask)) {
        const at = dword >> 2;
        claims.push({ dword, mask, policy: claim.policy, owner });
        const set = (array: Int32Array) => {
          array[at] = (array[at] ?? 0) | mask;
        };
        switch (claim.policy) {
          case 'readOnly':
            break;
          case 'writable':
            set(space.writable);
            break;
          case 'clearedByOne':
            set(space.ones);
            break;
          case 'reserved':
            set(space.reserved);
            break;
          case 'function':
            set(space.coded);
            if (claim.behaviour?.read !== undefined) set(space.answered);
            break;
          case 'emulated':
          case 'shown': {
            set(space.shadowed);
            set(space.answered);
            if (claim.policy === 'emulated') set(space.own);
            const value =
              claim.value === undefined
                ? device.hardware.readConfig(dword, 4)
                : shifted(firstValue(claim.value, device), shift);
            space.shadow[at] = (space.shadow[at] ?? 0) | (value & mask);
            break;
          }
        }
      }
      if (claim.policy === 'function' && claim.behaviour !== undefined) {
        const bytes = (register.width / 8) as 1 | 2 | 4;
        if (offset % bytes !== 0)
          fail('FIELD_INVALID', { register: owner, why: 'a register with a behaviour is aligned to its width' });
        const placed = new PlacedRegister({
          offset,
          size: bytes,
          device,
          behaviour: claim.behaviour,
          owner,
          mask: claim.mask,
          deny: options.deny,
        });
        const list = space.registers[offset >> 2] ?? [];
        list.push(placed);
        space.registers[offset >> 2] = list;
      }
    }
  };

  for (const { owner, set } of contributions) {
    const base = anchorOf(set, device);
    if (base === undefined) continue;
    const named = `${owner}: ${set.name}`;
    const end = set.registers.reduce(
      (most, register) => Math.max(most, base + register.offset + register.width / 8),
      0,
    );
    if (end > size) {
      options.skipped(named, `it ends at 0x${hex(end, 3)}, config space at 0x${hex(size, 3)}`);
      continue;
    }
    const found = conflict(set, base);
    if (found) {
      options.skipped(
        `${named} / ${found.register.name}`,
        `bits 0x${hex(found.bits, 8)} at 0x${hex(found.other.dword, 2)} belong to ${found.other.owner}`,
      );
      continue;
    }
    for (const register of set.registers) place(`${named} / ${register.name}`, register, base);
  }

  if (options.unhandled === 'permissive') {
    const claimed = table();
    for (const claim of claims) claimed[claim.dword >> 2] = (claimed[claim.dword >> 2] ?? 0) | claim.mask;
    for (let at = 0; at < claimed.length; at++) space.writable[at] = (space.writable[at] ?? 0) | ~(claimed[at] ?? 0);
  }

  const coded = space.registers.flatMap((list) => list ?? []);
  const words = new Uint32Array(coded.reduce((sum, one) => sum + (one.behaviour.words ?? 0), 0));
  let next = 0;
  for (const one of coded) {
    const count = one.behaviour.words ?? 0;
    one.words = words.subarray(next, next + count);
    next += count;
  }
  for (const one of coded) one.behaviour.attach?.(one);
  return { ...space, words, claims };
};

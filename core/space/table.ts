// SPDX-License-Identifier: MIT

import { fail } from '../errors/index.ts';
import type { Behaviour, DeviceOperations, RegisterAccess, SharedWords } from './behaviour.ts';
import { constantBits } from './constants.ts';
import type { BitClaim, Register, Shown } from './declaration.ts';
import { movedBy, type PlacedQuiet, type QuietWrites } from './quiet.ts';

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

/** All bits of a register, in their place in the dword. */
const reachOf = ({ size, shift }: { readonly size: 1 | 2 | 4; readonly shift: number }): number =>
  (size === 4 ? -1 : size === 2 ? 0xffff : 0xff) << shift;

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

  /** Whether this is the register `other` in another table: then its state can go on. */
  isSameAs(other: PlacedRegister): boolean {
    return this.behaviour === other.behaviour && this.offset === other.offset && this.owner === other.owner;
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

  /** A description of its writes, placed in the table. */
  describe(writes: QuietWrites): PlacedQuiet {
    const { offset, size, shift, mask, words } = this;
    const base = words.byteOffset / words.BYTES_PER_ELEMENT;
    return { writes: movedBy(writes, base), mask: mask << shift, reach: reachOf(this), shift, offset, size };
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
  /**
   * Bits that a read takes from elsewhere than hardware: `shadowed`, and those a behaviour reads. All arrays of bits lie
   * in shared memory: a thread of its own can answer from them.
   */
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
  /** Those of them whose content is kept in `shadow`. */
  readonly steady: readonly PlacedRegister[];
  /** State words of all behaviours, in one place, in shared memory. */
  readonly words: Uint32Array;
  /** Registers with a behaviour whose writes can be known as data, per dword. What is known depends on how things are. */
  readonly quiet: readonly (PlacedRegister | null)[];
  /**
   * Registers whose writes can leave something to be done; not only those in `quiet`: it may have been left while another
   * table was in force.
   */
  readonly gates: readonly PlacedRegister[];
  /** Who owns which bit; bits in no claim have no field. */
  readonly claims: readonly PlacedClaim[];
}

/** What becomes of bits that nobody claims. */
export type Unhandled = 'drop' | 'permissive';

/** Two claims to the same bits. */
export interface Conflict {
  readonly register: Register;
  readonly other: PlacedClaim;
  /** The shared bits of `other.dword`, unsigned. */
  readonly bits: number;
}

const firstValue = (shown: Shown, device: DeviceOperations): number =>
  typeof shown === 'number' ? shown : shown(device.hardware);

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

/** How many state words the registers need together. */
const wordsOf = (coded: readonly PlacedRegister[]): number => {
  const groups = new Set(coded.flatMap((one) => one.behaviour.shared ?? []));
  const own = coded.reduce(
    (sum, { behaviour }) => sum + (behaviour.shared === undefined ? (behaviour.words ?? 0) : 0),
    0,
  );
  return [...groups].reduce((sum, group) => sum + group.words, own);
};

/** Fills the table of one device, register by register. */
export class TableBuilder {
  readonly #device: DeviceOperations;
  readonly #deny: DenyRegister;
  readonly #size: number;
  readonly #claims: PlacedClaim[] = [];
  readonly #writable: Int32Array;
  readonly #ones: Int32Array;
  readonly #answered: Int32Array;
  readonly #shadowed: Int32Array;
  readonly #shadow: Int32Array;
  readonly #own: Int32Array;
  readonly #reserved: Int32Array;
  readonly #coded: Int32Array;
  readonly #registers: (PlacedRegister[] | undefined)[];

  /** @param size bytes of config space that the guest sees */
  constructor(device: DeviceOperations, size: number, deny: DenyRegister) {
    this.#device = device;
    this.#deny = deny;
    this.#size = size;
    const table = () => new Int32Array(new SharedArrayBuffer(size & ~3));
    this.#writable = table();
    this.#ones = table();
    this.#answered = table();
    this.#shadowed = table();
    this.#shadow = table();
    this.#own = table();
    this.#reserved = table();
    this.#coded = table();
    this.#registers = new Array<PlacedRegister[] | undefined>(size >> 2).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  /** The first claim of the registers, placed at `base`, that another one holds already. */
  conflict(registers: readonly Register[], base: number): Conflict | undefined {
    for (const register of registers) {
      for (const claim of register.claims) {
        for (const part of intoDwords(base + register.offset, claim.mask)) {
          for (const other of this.#claims) {
            // Two that only show hardware are not in each other's way.
            if (other.dword !== part.dword || (claim.policy === 'readOnly' && other.policy === 'readOnly')) continue;
            const bits = (other.mask & part.mask) >>> 0;
            if (bits !== 0) return { register, other, bits };
          }
        }
      }
    }
    return undefined;
  }

  /** Places a register. The caller has looked for conflicts. @throws HostError, PcibackError `FIELD_INVALID` */
  place(owner: string, register: Register, base: number): void {
    const offset = base + register.offset;
    for (const claim of register.claims) {
      for (const { dword, mask, shift } of intoDwords(offset, claim.mask)) {
        this.#claims.push({ dword, mask, policy: claim.policy, owner });
        this.#mark(claim, dword, mask, shift);
      }
      if (claim.policy === 'function' && claim.behaviour !== undefined) {
        this.#placeBehaviour(owner, register, offset, claim.mask, claim.behaviour);
      }
    }
  }

  #mark(claim: BitClaim, dword: number, mask: number, shift: number): void {
    const at = dword >> 2;
    const set = (array: Int32Array): void => {
      array[at] = (array[at] ?? 0) | mask;
    };
    switch (claim.policy) {
      case 'readOnly':
        return;
      case 'writable':
        set(this.#writable);
        return;
      case 'clearedByOne':
        set(this.#ones);
        return;
      case 'reserved':
        set(this.#reserved);
        return;
      case 'function':
        set(this.#coded);
        if (claim.behaviour?.read !== undefined) set(this.#answered);
        return;
      case 'emulated':
      case 'shown': {
        set(this.#shadowed);
        set(this.#answered);
        if (claim.policy === 'emulated') set(this.#own);
        const value =
          claim.value === undefined
            ? this.#device.hardware.readConfig(dword, 4)
            : shifted(firstValue(claim.value, this.#device), shift);
        this.#shadow[at] = (this.#shadow[at] ?? 0) | (value & mask);
      }
    }
  }

  #placeBehaviour(owner: string, register: Register, offset: number, mask: number, behaviour: Behaviour): void {
    const size = (register.width / 8) as 1 | 2 | 4;
    if (offset % size !== 0) {
      fail('FIELD_INVALID', { register: owner, why: 'a register with a behaviour is aligned to its width' });
    }
    const placed = new PlacedRegister({ offset, size, device: this.#device, behaviour, owner, mask, deny: this.#deny });
    const at = offset >> 2;
    const list = this.#registers[at] ?? [];
    list.push(placed);
    this.#registers[at] = list;
  }

  /**
   * The finished table. State words are allocated and behaviours attached; where `previous` has the same register of the
   * same owner its state goes on instead, and so do the guest's own values of emulated bits.
   */
  finish(unhandled: Unhandled, previous: CompiledSpace | undefined): CompiledSpace {
    if (unhandled === 'permissive') this.#openUnclaimed();
    const coded = this.#registers.filter((list) => list !== undefined).flat();
    const words = new Uint32Array(new SharedArrayBuffer(4 * wordsOf(coded)));
    const shared = new Map<SharedWords, Uint32Array>();
    let next = 0;
    for (const one of coded) {
      const group = one.behaviour.shared;
      const known = group === undefined ? undefined : shared.get(group);
      if (known !== undefined) {
        one.words = known;
      } else {
        const count = group?.words ?? one.behaviour.words ?? 0;
        one.words = words.subarray(next, next + count);
        next += count;
        if (group !== undefined) shared.set(group, one.words);
      }
      const before = previous?.registers[one.offset >> 2]?.find((other) => other.isSameAs(one));
      if (before === undefined) one.behaviour.attach?.(one);
    }
    if (previous !== undefined)
      carryState(previous, { own: this.#own, shadow: this.#shadow, registers: this.#registers });
    if (unhandled !== 'permissive') this.#keepConstants();
    const quiet = unhandled === 'permissive' ? [] : this.#registers.map((list) => quietOf(list));
    const steady = coded.filter(({ behaviour }) => behaviour.steady === true && behaviour.read !== undefined);
    for (const one of steady) this.#keepSteady(one);
    return {
      size: this.#size,
      writable: this.#writable,
      ones: this.#ones,
      answered: this.#answered,
      shadowed: this.#shadowed,
      shadow: this.#shadow,
      own: this.#own,
      reserved: this.#reserved,
      coded: this.#coded,
      registers: this.#registers,
      steady,
      words,
      quiet,
      gates: coded.filter(({ behaviour }) => behaviour.quiet?.kind === 'gated'),
      claims: this.#claims,
    };
  }

  #openUnclaimed(): void {
    const claimed = claimedBits(this.#size, this.#claims);
    for (let at = 0; at < claimed.length; at++) this.#writable[at] = (this.#writable[at] ?? 0) | ~(claimed[at] ?? 0);
  }

  /** Bits that cannot change are asked of hardware now, and never again. */
  #keepConstants(): void {
    const { hardware, lists } = this.#device;
    for (const { dword, mask } of constantBits(hardware.identity.headerType, lists, this.#size)) {
      const at = dword >> 2;
      const free = mask & ~((this.#writable[at] ?? 0) | (this.#ones[at] ?? 0) | (this.#answered[at] ?? 0));
      const kept = free & ~(this.#coded[at] ?? 0);
      if (kept === 0) continue;
      this.#shadow[at] = (this.#shadow[at] ?? 0) | (hardware.readConfig(dword, 4) & kept);
      this.#shadowed[at] = (this.#shadowed[at] ?? 0) | kept;
      this.#answered[at] = (this.#answered[at] ?? 0) | kept;
    }
  }

  #keepSteady(one: PlacedRegister): void {
    const at = one.offset >> 2;
    const bits = one.mask << one.shift;
    this.#shadowed[at] = (this.#shadowed[at] ?? 0) | bits;
    this.#shadow[at] = ((this.#shadow[at] ?? 0) & ~bits) | ((one.view() << one.shift) & bits);
  }
}

/** The bits that some field claims, per dword. */
export const claimedBits = (size: number, claims: readonly PlacedClaim[]): Int32Array => {
  const claimed = new Int32Array(size >> 2);
  for (const { dword, mask } of claims) claimed[dword >> 2] = (claimed[dword >> 2] ?? 0) | mask;
  return claimed;
};

/** State of the registers that both tables have, and the guest's own values of bits that are emulated in both. */
export const carryState = (
  previous: CompiledSpace,
  next: Pick<CompiledSpace, 'own' | 'shadow' | 'registers'>,
): void => {
  for (const one of next.registers.flatMap((list) => list ?? [])) {
    const before = previous.registers[one.offset >> 2]?.find((other) => other.isSameAs(one));
    if (before !== undefined) one.words.set(before.words);
  }
  const shared = Math.min(next.own.length, previous.own.length);
  for (let at = 0; at < shared; at++) {
    const kept = (next.own[at] ?? 0) & (previous.own[at] ?? 0);
    if (kept === 0) continue;
    next.shadow[at] = ((next.shadow[at] ?? 0) & ~kept) | ((previous.shadow[at] ?? 0) & kept);
  }
};

/** A dword with more than one description is left to its behaviours. */
const quietOf = (registers: readonly PlacedRegister[] | undefined): PlacedRegister | null => {
  const [one, another] = registers?.filter(({ behaviour }) => behaviour.quiet !== undefined) ?? [];
  if (one?.behaviour.quiet === undefined || another !== undefined) return null;
  // These kinds are about the whole register: of one with bits of somebody else too they would say more than is known.
  if (one.behaviour.quiet.kind !== 'inert' && one.mask << one.shift !== reachOf(one)) return null;
  // It is compared with hardware, and would be with what nobody sees.
  if (one.behaviour.quiet.kind === 'refused' && one.behaviour.read !== undefined) return null;
  return one;
};

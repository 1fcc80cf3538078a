// SPDX-License-Identifier: MIT

import { fail, isPcibackError } from '../errors/index.ts';
import type { KeptMemory } from '../platform/memory.ts';
import { integerShape } from '../wall/wall.ts';
import type { Behaviour, DeviceOperations, SharedWords } from './behaviour.ts';
import { constantBits } from './constants.ts';
import type { BitClaim, Register, Shown } from './declaration.ts';
import { type CodeTerms, codePlace, PlacedRegister } from './placed-register.ts';
import type { TableBits } from './views.ts';

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

/** Config space of one device: what becomes of each bit, and the code that some bits have. */
export interface CompiledSpace {
  readonly bits: TableBits;
  /** Registers with a behaviour, per dword. */
  readonly registers: readonly (readonly PlacedRegister[] | undefined)[];
  /** Those of them whose content is kept in the shadow. */
  readonly steady: readonly PlacedRegister[];
  /** State words: {@link HOST_WORDS} of the host's own operations, then those of all behaviours. */
  readonly words: Uint32Array;
  /** Holds the state words, then `own` and `shadow` of the bits: all that a guest's accesses change. */
  readonly kept: KeptMemory;
  readonly layout: StateLayout;
  /** Registers with a behaviour whose writes can be known as data, per dword. What is known depends on how things are. */
  readonly described: readonly (PlacedRegister | null)[];
  /**
   * Registers whose writes can leave something to be done; not only those in `described`: it may have been left while
   * another table was in force.
   */
  readonly gates: readonly PlacedRegister[];
  /** Who owns which bit; bits in no claim have no field. */
  readonly claims: readonly PlacedClaim[];
  /** Bits in some claim, and those of them that only show hardware, per dword. */
  readonly claimed: Int32Array;
  readonly readOnly: Int32Array;
}

/** State words of a table that are no behaviour's. */
export const HOST_WORDS = 1;

/** Registers with a behaviour: `owner@offset`, index of the first of its state words, and how many it has. */
export type StateLayout = readonly (readonly [register: string, first: number, words: number])[];

/** State of a table's registers: that of the table before, or what an earlier process left. */
export interface TableState {
  readonly own: Int32Array;
  readonly shadow: Int32Array;
  readonly host: Uint32Array;
  /** State words of the same register there; `undefined`: it was not there. */
  wordsOf(register: PlacedRegister): Uint32Array | undefined;
  /** Whether it is of a table just like this one: then all that is kept in the shadow is as it was. */
  isOf?(layout: StateLayout, own: Int32Array): boolean;
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

/** Whether bits of the claim go to what stands `instead` of their field. */
const gives = ({ owner, policy }: PlacedClaim, instead: string | undefined): boolean =>
  instead !== undefined && policy !== 'function' && owner.startsWith(`fields/${instead}: `);

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
  readonly #code: CodeTerms;
  #claims: PlacedClaim[] = [];
  #bits: TableBits;
  readonly #claimed: Int32Array;
  readonly #readOnly: Int32Array;
  readonly #registers: (PlacedRegister[] | undefined)[];

  /** @param size bytes of config space that the guest sees */
  constructor(device: DeviceOperations, size: number, code: CodeTerms) {
    this.#device = device;
    this.#code = code;
    const array = () => new Int32Array(new SharedArrayBuffer(size & ~3));
    this.#bits = {
      size,
      shadowed: array(),
      shadow: array(),
      answered: array(),
      through: array(),
      own: array(),
      reserved: array(),
      coded: array(),
      behind: new Uint8Array(new SharedArrayBuffer(size >> 2)),
    };
    this.#claimed = new Int32Array(size >> 2);
    this.#readOnly = new Int32Array(size >> 2);
    this.#registers = new Array<PlacedRegister[] | undefined>(size >> 2).fill(undefined);
  }

  /** The first claim of the registers, placed at `base`, that another one holds already and does not give away. */
  conflict(registers: readonly Register[], base: number, instead?: string): Conflict | undefined {
    for (const register of registers) {
      for (const claim of register.claims) {
        for (const part of intoDwords(base + register.offset, claim.mask)) {
          for (const other of this.#claims) {
            // Two that only show hardware are not in each other's way.
            if (other.dword !== part.dword || (claim.policy === 'readOnly' && other.policy === 'readOnly')) continue;
            if (gives(other, instead)) continue;
            const bits = (other.mask & part.mask) >>> 0;
            if (bits !== 0) return { register, other, bits };
          }
        }
      }
    }
    return undefined;
  }

  /**
   * Places a register. The caller has looked for conflicts.
   *
   * @throws HostError, PcibackError `FIELD_INVALID`, `PLUGIN_FAULT` when the first value cannot be told
   */
  place(owner: string, register: Register, base: number, instead?: string): void {
    const offset = base + register.offset;
    for (const claim of register.claims) {
      for (const { dword, mask, shift } of intoDwords(offset, claim.mask)) {
        if (instead !== undefined) this.#takeOver(instead, dword, mask);
        this.#claims.push({ dword, mask, policy: claim.policy, owner });
        this.#mark(claim, dword >> 2, mask);
        if (claim.policy !== 'emulated' && claim.policy !== 'shown') continue;
        const value =
          claim.value === undefined
            ? this.#device.hardware.readConfig(dword, 4)
            : shifted(this.#firstValue(claim.value, owner, offset), shift);
        set(this.#bits.shadow, dword >> 2, value & mask);
      }
      if (claim.policy === 'function' && claim.behaviour !== undefined) {
        this.#placeBehaviour(owner, register, offset, claim.mask, claim.behaviour);
      }
    }
  }

  #takeOver(instead: string, dword: number, mask: number): void {
    this.#claims = this.#claims.map((one) => {
      if (one.dword !== dword || !gives(one, instead)) return one;
      for (const array of [this.#claimed, this.#readOnly, ...Object.values<unknown>({ ...this.#bits })])
        if (array instanceof Int32Array) array[dword >> 2] = (array[dword >> 2] ?? 0) & ~(one.mask & mask);
      return { ...one, mask: (one.mask & ~mask) >>> 0 };
    });
  }

  #firstValue(shown: Shown, owner: string, offset: number): number {
    if (typeof shown === 'number') return shown;
    const { hardware } = this.#device;
    const { wall, guest } = this.#code;
    const place = codePlace(owner, 'the first value', { device: hardware.identity.bdf, guest, offset });
    return wall.run(place, () => shown(hardware), integerShape);
  }

  #mark({ policy, behaviour }: BitClaim, at: number, mask: number): void {
    const bits = this.#bits;
    set(this.#claimed, at, mask);
    switch (policy) {
      case 'readOnly':
        set(this.#readOnly, at, mask);
        break;
      case 'writable':
      case 'clearedByOne':
        set(bits.through, at, mask);
        break;
      case 'reserved':
        set(bits.reserved, at, mask);
        break;
      case 'function':
        set(bits.coded, at, mask);
        if (behaviour?.read !== undefined) set(bits.answered, at, mask);
        break;
      case 'emulated':
        set(bits.own, at, mask);
        this.#shadow(at, mask);
        break;
      case 'shown':
        this.#shadow(at, mask);
    }
  }

  #shadow(at: number, mask: number): void {
    set(this.#bits.shadowed, at, mask);
    set(this.#bits.answered, at, mask);
  }

  #placeBehaviour(owner: string, register: Register, offset: number, mask: number, behaviour: Behaviour): void {
    const size = (register.width / 8) as 1 | 2 | 4;
    if (offset % size !== 0) {
      fail('FIELD_INVALID', { register: owner, why: 'a register with a behaviour is aligned to its width' });
    }
    const list = this.#registers[offset >> 2] ?? [];
    list.push(new PlacedRegister({ offset, size, device: this.#device, behaviour, owner, mask }, this.#code));
    this.#registers[offset >> 2] = list;
  }

  /**
   * The finished table. State words are allocated and behaviours attached; where `previous` has the same register of the
   * same owner its state goes on instead, and so do the guest's own values of emulated bits.
   *
   * @param allocate memory for what accesses change
   * @throws HostError, PcibackError `PLUGIN_FAULT`
   */
  finish(
    unhandled: Unhandled,
    previous: TableState | undefined,
    allocate: (bytes: number) => KeptMemory,
  ): CompiledSpace {
    if (unhandled === 'permissive')
      for (const [at, claimed] of this.#claimed.entries()) set(this.#bits.through, at, ~claimed);
    const coded = this.#registers.filter((list) => list !== undefined).flat();
    const count = HOST_WORDS + wordsOf(coded);
    const kept = allocate(stateBytes(count, this.#bits.size));
    const { words, own, shadow } = stateArrays(kept.memory, count, this.#bits.size);
    own.set(this.#bits.own);
    shadow.set(this.#bits.shadow);
    this.#bits = { ...this.#bits, own, shadow };
    const bits = this.#bits;
    const layout = this.#attach(coded, words, previous);
    if (previous !== undefined) carryState(previous, { bits, words, registers: this.#registers });
    if (unhandled !== 'permissive') this.#keepConstants();
    const steady = coded.filter(({ behaviour }) => behaviour.steady === true && behaviour.read !== undefined);
    for (const one of steady) this.#keepSteady(one);
    if (previous?.isOf?.(layout, own) === true) shadow.set(previous.shadow);
    return {
      bits,
      registers: this.#registers,
      steady,
      words,
      kept,
      layout,
      described: unhandled === 'permissive' ? [] : this.#registers.map((list) => describedOf(list)),
      gates: coded.filter(({ behaviour }) => behaviour.described?.kind === 'gated'),
      claims: this.#claims.filter(({ mask }) => mask !== 0),
      claimed: this.#claimed,
      readOnly: this.#readOnly,
    };
  }

  /** Gives each behaviour its words. @returns whose are whose */
  #attach(coded: readonly PlacedRegister[], words: Uint32Array, previous: TableState | undefined): StateLayout {
    const layout: (readonly [string, number, number])[] = [];
    const shared = new Map<SharedWords, Uint32Array>();
    let next = HOST_WORDS;
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
      layout.push([nameOf(one), (one.words.byteOffset - words.byteOffset) >> 2, one.words.length]);
      if (previous?.wordsOf(one)?.length !== one.words.length) one.attach();
    }
    return layout;
  }

  /** Bits that cannot change are asked of hardware now, and never again. */
  #keepConstants(): void {
    const { hardware, lists } = this.#device;
    const { through, answered, coded, shadow, size } = this.#bits;
    for (const { dword, mask } of constantBits(hardware.identity.headerType, lists, size)) {
      const at = dword >> 2;
      const kept = mask & ~((through[at] ?? 0) | (answered[at] ?? 0) | (coded[at] ?? 0));
      if (kept === 0) continue;
      set(shadow, at, hardware.readConfig(dword, 4) & kept);
      this.#shadow(at, kept);
    }
  }

  /** A behaviour that fails here is asked at each access, so that the guest gets the error as long as there is one. */
  #keepSteady(one: PlacedRegister): void {
    const { shadowed, shadow, behind } = this.#bits;
    const at = one.offset >> 2;
    behind[at] = 1;
    const mask = one.mask << one.shift;
    try {
      shadow[at] = ((shadow[at] ?? 0) & ~mask) | ((one.view() << one.shift) & mask);
      set(shadowed, at, mask);
    } catch (error) {
      if (!isPcibackError(error, 'PLUGIN_FAULT')) throw error;
    }
  }
}

const set = (array: Int32Array, at: number, mask: number): void => {
  array[at] = (array[at] ?? 0) | mask;
};

/** By which a register is the same in another process. */
export const nameOf = ({ owner, offset }: PlacedRegister): string => `${owner}@${offset}`;

/** Bytes of memory for the state of a table. */
export const stateBytes = (words: number, size: number): number => 4 * words + 2 * (size & ~3);

/** A table's state in its memory. */
export const stateArrays = (memory: ArrayBufferLike, words: number, size: number) => ({
  words: new Uint32Array(memory, 0, words),
  own: new Int32Array(memory, 4 * words, size >> 2),
  shadow: new Int32Array(memory, 4 * words + (size & ~3), size >> 2),
});

/** The state of a table in force, for the one that takes its place. */
export const stateOfTable = ({ bits, words, registers }: CompiledSpace): TableState => ({
  own: bits.own,
  shadow: bits.shadow,
  host: words.subarray(0, HOST_WORDS),
  wordsOf: (one) => registers[one.offset >> 2]?.find((other) => other.isSameAs(one))?.words,
});

/** Where an earlier process left the state of a table. */
export interface SavedTable {
  /** Of its memory. */
  readonly at: number;
  /** Bytes of config space that the guest sees. */
  readonly size: number;
  readonly layout: StateLayout;
}

/** State of the registers that both tables have, and the guest's own values of bits that are emulated in both. */
export const carryState = (from: TableState, next: Pick<CompiledSpace, 'bits' | 'registers' | 'words'>): void => {
  for (const one of next.registers.flatMap((list) => list ?? [])) {
    const before = from.wordsOf(one);
    if (before?.length === one.words.length) one.words.set(before);
  }
  next.words.set(from.host);
  const to = next.bits;
  for (let at = 0; at < Math.min(from.own.length, to.own.length); at++) {
    const kept = (from.own[at] ?? 0) & (to.own[at] ?? 0);
    if (kept !== 0) to.shadow[at] = ((to.shadow[at] ?? 0) & ~kept) | ((from.shadow[at] ?? 0) & kept);
  }
};

/** A dword with more than one description is left to its behaviours. */
const describedOf = (registers: readonly PlacedRegister[] | undefined): PlacedRegister | null => {
  const [one, another] = registers?.filter(({ behaviour }) => behaviour.described !== undefined) ?? [];
  const kind = one?.behaviour.described?.kind;
  if (one === undefined || another !== undefined) return null;
  // These kinds are about the whole register: of one with bits of somebody else too they would say more than is known.
  if (kind !== 'inert' && one.mask << one.shift !== one.reach) return null;
  // It is compared with hardware, and would be with what nobody sees.
  if (kind === 'refused' && one.behaviour.read !== undefined) return null;
  return one;
};

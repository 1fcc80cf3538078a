// SPDX-License-Identifier: MIT

import type { Behaviour, RegisterAccess } from '../../core/space/behaviour.ts';
import type { CapabilityLists } from '../../core/space/capabilities.ts';
import { type BitClaim, type FieldSet, header, type Register, register } from '../../core/space/declaration.ts';
import { FakeDevice, FakeFunction } from '../kit/fake-function.ts';
import { type Kind, kinds, type RegisterMasks } from '../kit/field-masks.ts';
import { type GuestView, viewOf } from '../kit/guest-view.ts';

/** Where a set is looked at: a place of its kind, in a device that has nothing else. */
const baseOf = ({ anchor }: FieldSet): number => ({ header: 0, capability: 0x40, extended: 0x100 })[anchor.kind];

/** What the committed masks say of one bit. */
interface Expected {
  readonly kind: Kind;
  /** First value of shown bits and of emulated ones that do not begin with hardware's. */
  readonly value: number;
}

/** Expectations of one set by bit of config space. */
export type Expectations = ReadonlyMap<number, Expected>;

const bitOf = (value: number, index: number): number => (value >>> index) & 1;

/** Reads the masks of a set, bit by bit; register names carry offset and width. */
export const expectationsOf = (set: FieldSet, masks: Readonly<Record<string, RegisterMasks>>): Expectations => {
  const bits = new Map<number, Expected>();
  for (const [name, entry] of Object.entries(masks)) {
    const [, offset = '', width = ''] = /^(0x[0-9a-f]+)\/(\d+) /.exec(name) ?? [];
    const start = (baseOf(set) + Number(offset)) * 8;
    const value = Number(entry.value ?? 0);
    for (const kind of kinds) {
      const mask = Number(entry[kind] ?? 0);
      for (let i = 0; i < Number(width); i++) {
        if (bitOf(mask, i) === 1) bits.set(start + i, { kind, value: bitOf(value, i) });
      }
    }
  }
  return bits;
};

/** One row of the table. */
export interface Row {
  readonly register: string;
  readonly reach: 'full' | 'partial' | 'spanning';
  readonly access: 'read' | 'write';
  readonly unclaimed: 'dropped' | 'permissive';
  readonly offset: number;
  readonly size: 1 | 2 | 4;
}

/** Every aligned access that meets the register, both ways, under both rules for bits that nobody claims. */
export const rowsOf = (set: FieldSet, one: Register): Row[] => {
  const start = baseOf(set) + one.offset;
  const end = start + one.width / 8;
  const rows: Row[] = [];
  for (const size of [4, 2, 1] as const) {
    for (let offset = start - (start % size); offset < end; offset += size) {
      const inside = offset >= start && offset + size <= end;
      const reach = offset === start && offset + size === end ? 'full' : inside ? 'partial' : 'spanning';
      for (const unclaimed of ['dropped', 'permissive'] as const) {
        for (const access of ['read', 'write'] as const) {
          rows.push({ register: one.name, reach, access, unclaimed, offset, size });
        }
      }
    }
  }
  return rows;
};

/** A pattern and its complement give each bit both values; two such pairs give it all four combinations. */
const image = (byte: number, inverted: boolean): number => ((byte * 0x9d + 0x5b) ^ (inverted ? 0xff : 0)) & 0xff;
const WRITTEN = [0x3ca5_5ac3, 0xc35a_a53c] as const;
const ANSWERS = [0x96a5_c33c, 0x695a_3cc3] as const;

/** Stands for a behaviour: answers a fixed value, keeps what it is given, and has the same halves. */
class Probe {
  readonly written = new Map<number, number>();
  readonly #answer: number;

  constructor(answer: number) {
    this.#answer = answer;
  }

  for(original: Behaviour): Behaviour {
    return {
      ...(original.read === undefined ? {} : { read: (at: RegisterAccess) => this.valueOf(at.offset) }),
      ...(original.write === undefined
        ? {}
        : {
            write: (at: RegisterAccess, value: number) => {
              this.written.set(at.offset, value);
              return 0;
            },
          }),
    };
  }

  valueOf(offset: number): number {
    return this.written.get(offset) ?? this.#answer;
  }
}

/** Builds a register again from claims. */
export const withClaims = (one: Register, claims: readonly BitClaim[]): Register => {
  let made = register(one.offset, one.width, one.name);
  for (const { policy, mask, value, behaviour } of claims) {
    if (mask === 0) continue;
    if (policy === 'emulated') made = made.emulated(mask, value);
    else if (policy === 'shown') made = made.shows(value ?? 0, mask);
    else if (policy === 'function') made = made.calls(behaviour ?? {}, mask);
    else made = made[policy](mask);
  }
  return made;
};

/** A device without capability lists, so that an image of any bits means nothing. */
class ListlessDevice extends FakeDevice {
  override get lists(): CapabilityLists {
    return { standard: [], extended: [] };
  }
}

interface Bench {
  readonly guest: GuestView;
  readonly probe: Probe;
  readonly inverted: boolean;
}

const bench = (set: FieldSet, unclaimed: Row['unclaimed'], inverted: boolean, answer: number): Bench => {
  const base = baseOf(set);
  const end = set.registers.reduce((most, one) => Math.max(most, base + one.offset + one.width / 8), 0x40);
  const hardware = new FakeFunction({ line: 11, identity: { configSize: end < 0x100 ? 256 : 4096 } });
  for (let byte = 0; byte < hardware.identity.configSize; byte++) hardware.image[byte] = image(byte, inverted);
  const device = new ListlessDevice(hardware);
  device.permissive = unclaimed === 'permissive';
  const probe = new Probe(answer);
  const probed = set.registers.map((one) =>
    withClaims(
      one,
      one.claims.map((claim) =>
        claim.behaviour === undefined ? claim : { ...claim, behaviour: probe.for(claim.behaviour) },
      ),
    ).movedBy(base),
  );
  return { guest: viewOf(device, [header(set.name, [0], probed)]), probe, inverted };
};

/**
 * Bytes of a type 0 header that a function cannot change (PCI Local Bus 3.0, §6.1): ids, revision and class, header type,
 * subsystem ids, list pointer, Min_Gnt and Max_Lat. Where guests are not permissive they are read once.
 */
const CONSTANT_BYTES: ReadonlySet<number> = new Set([
  ...[0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x0e],
  ...[0x2c, 0x2d, 0x2e, 0x2f, 0x34, 0x3e, 0x3f],
]);

/** Places of registers with a behaviour, by bit: where the behaviour's register begins. */
const startsOf = (set: FieldSet): ReadonlyMap<number, number> => {
  const starts = new Map<number, number>();
  for (const one of set.registers) {
    if (!one.claims.some(({ policy }) => policy === 'function')) continue;
    const start = baseOf(set) + one.offset;
    for (let i = 0; i < one.width; i++) starts.set(start * 8 + i, start);
  }
  return starts;
};

/** What a row of one set should give, from the committed masks alone, one bit at a time. */
export class FieldTable {
  readonly #expected: Expectations;
  readonly #starts: ReadonlyMap<number, number>;

  /** @param set whose registers are declared as the masks say; only its places are taken from it */
  constructor(set: FieldSet, masks: Readonly<Record<string, RegisterMasks>>) {
    this.#expected = expectationsOf(set, masks);
    this.#starts = startsOf(set);
  }

  /**
   * Runs a row against `set`, which is the table's own or a mutant of it.
   *
   * @returns what was wrong, or `undefined`
   */
  check(set: FieldSet, row: Row): string | undefined {
    for (const inverted of [false, true]) {
      for (const choice of [0, 1] as const) {
        const wrong =
          row.access === 'read'
            ? this.#checkRead(set, row, inverted, ANSWERS[choice])
            : this.#checkWrite(set, row, inverted, ANSWERS[choice], WRITTEN[choice]);
        if (wrong !== undefined) {
          return `${row.access} of ${row.size} at 0x${row.offset.toString(16)}, ${row.register}, ${row.unclaimed}: ${wrong}`;
        }
      }
    }
    return undefined;
  }

  /** Whether an explanation of the row's bits names the right policy for each: for what no access can tell. */
  explains(set: FieldSet, row: Row): boolean {
    const { guest } = bench(set, row.unclaimed, false, ANSWERS[0]);
    for (let i = 0; i < row.size * 8; i++) {
      const [claim, ...more] = guest.space.claimsOf(row.offset, 2 ** i);
      const kind = this.#expected.get(row.offset * 8 + i)?.kind;
      if (more.length > 0 || claim?.policy !== kind?.split(/[ ,]/)[0]) return false;
    }
    return true;
  }

  /** What the guest sees of a bit while hardware has `hardware` there and had `before` when the table was compiled. */
  #seen(at: number, row: Row, hardware: number, before: number, answer: number): number {
    const expected = this.#expected.get(at);
    const kept = row.unclaimed === 'dropped' && CONSTANT_BYTES.has(at >> 3);
    if (kept && (expected === undefined || expected.kind === 'readOnly')) return before;
    switch (expected?.kind) {
      case 'shown':
      case 'emulated from value':
        return expected.value;
      case 'emulated from hardware':
        return before;
      case 'function':
      case 'function, refuses writes':
        return bitOf(answer, at - (this.#starts.get(at) ?? 0) * 8);
      default:
        return hardware;
    }
  }

  #checkRead(set: FieldSet, row: Row, inverted: boolean, answer: number): string | undefined {
    const { guest } = bench(set, row.unclaimed, inverted, answer);
    // The device acts by itself: what follows it is hardware's, what does not is the guest's.
    for (let byte = 0; byte < guest.hardware.identity.configSize; byte++) {
      guest.hardware.image[byte] = image(byte, !inverted);
    }
    const seen = guest.read(row.offset, row.size);
    for (let i = 0; i < row.size * 8; i++) {
      const at = row.offset * 8 + i;
      const before = bitOf(image(at >> 3, inverted), at & 7);
      if (bitOf(seen, i) !== this.#seen(at, row, 1 - before, before, answer)) return `bit ${i} reads ${bitOf(seen, i)}`;
    }
    return guest.hardware.writes.length === 0 ? undefined : 'hardware was written';
  }

  #checkWrite(set: FieldSet, row: Row, inverted: boolean, answer: number, pattern: number): string | undefined {
    const { guest, probe } = bench(set, row.unclaimed, inverted, answer);
    const value = row.size === 4 ? pattern : pattern % 2 ** (8 * row.size);
    const status = guest.write(row.offset, row.size, value);
    if (status !== 0) return `status ${status}`;
    const view = guest.read(row.offset, row.size);
    const refused = guest.refused.reduce((all, { mask }) => (all | mask) >>> 0, 0);
    const open = new Set<number>();
    for (let i = 0; i < row.size * 8; i++) {
      const at = row.offset * 8 + i;
      const written = bitOf(value, i);
      const before = bitOf(image(at >> 3, inverted), at & 7);
      const kind = this.#expected.get(at)?.kind ?? (row.unclaimed === 'permissive' ? 'writable' : 'readOnly');
      const old = this.#seen(at, row, before, before, answer);
      const hardware = kind === 'writable' || kind === 'clearedByOne' ? written : before;
      const follows = hardware !== before || kind.startsWith('emulated') || kind === 'function';
      const denied = kind === 'readOnly' || kind === 'shown' || kind === 'function, refuses writes';
      if (kind === 'writable' || kind === 'clearedByOne') open.add(at >> 3);
      if (bitOf(guest.hardware.image[at >> 3] ?? 0, at & 7) !== hardware) return `bit ${i} of hardware`;
      if (bitOf(view, i) !== (follows ? written : old)) return `bit ${i} reads ${bitOf(view, i)} afterwards`;
      if (bitOf(refused, i) !== (denied && written !== old ? 1 : 0)) return `bit ${i} is refused or not`;
      const start = this.#starts.get(at);
      if (start !== undefined && (kind === 'function' || kind === 'function, reads hardware')) {
        const got = probe.written.get(start);
        if (got === undefined) return `bit ${i} does not reach its behaviour`;
        if (bitOf(got, at - start * 8) !== written) return `bit ${i} reaches its behaviour as ${1 - written}`;
      }
    }
    const stray = guest.hardware.writes.find(([offset, size]) => {
      for (let byte = offset; byte < offset + size; byte++) if (!open.has(byte)) return true;
      return false;
    });
    return stray === undefined ? undefined : `byte 0x${stray[0].toString(16)} was written`;
  }
}

// SPDX-License-Identifier: MIT

import { type Bdf, hex } from '../../core/bdf.ts';
import { fail } from '../../core/errors/index.ts';
import type { PciFunction } from '../../core/platform/index.ts';
import type { CheckAdded } from '../../core/plugin/loader.ts';
import type { DeviceMatch, Quirk } from '../../core/quirk/quirk.ts';
import type { Anchor, BitClaim, FieldSet } from '../../core/space/declaration.ts';
import { givers } from '../instead.ts';

/** Field sets of all plugins and quirks together; each is compared with each. */
const MOST_SETS = 2000;
/** Of one set. */
const MOST_REGISTERS = 4096;

/** Mask of a class code that is told in full. */
const ALL_OF_CLASS = 0xffffff;

/** A set of registers, who brings it, and the devices it is for (missing: all). */
export interface OwnedSet {
  /** The plugin or quirk. */
  readonly owner: string;
  readonly set: FieldSet;
  readonly match?: readonly DeviceMatch[];
}

/** Two claims to the same bits; the facts of the error `FIELD_OVERLAP`. */
export interface Overlap {
  /** `owner: set / register`. */
  readonly register: string;
  readonly other: string;
  /** Of the first shared byte, from the sets' anchor, hexadecimal. */
  readonly offset: string;
  /** The shared bits of that byte, hexadecimal. */
  readonly bits: string;
}

interface ByteClaim {
  readonly register: string;
  readonly mask: number;
  /** Bits of `mask` that only show hardware; two such claims are not in each other's way. */
  readonly shown: number;
}

/** Claims of one set by byte, counted from its anchor. */
type ByteMap = ReadonlyMap<number, readonly ByteClaim[]>;

const conflictAt = (byte: number, one: ByteClaim, others: readonly ByteClaim[] | undefined): Overlap | undefined => {
  for (const other of others ?? []) {
    const bits = one.mask & other.mask & ~(one.shown & other.shown);
    if (bits !== 0) return { register: one.register, other: other.register, offset: hex(byte, 2), bits: hex(bits, 2) };
  }
  return undefined;
};

/** The set's claims by byte, or two registers of the set that are in each other's way. */
const byteMap = ({ owner, set }: OwnedSet): ByteMap | Overlap => {
  const bytes = new Map<number, ByteClaim[]>();
  for (const register of set.registers) {
    const maskOf = (claims: readonly BitClaim[]): number =>
      claims.reduce((bits, claim) => (bits | claim.mask) >>> 0, 0);
    const mask = maskOf(register.claims);
    const shown = maskOf(register.claims.filter((claim) => claim.policy === 'readOnly'));
    for (let index = 0; index < register.width / 8; index++) {
      const byte = register.offset + index;
      const inByte = (bits: number): number => (bits >>> (index * 8)) & 0xff;
      const name = `${owner}: ${set.name} / ${register.name}`;
      const claim = { register: name, mask: inByte(mask), shown: inByte(shown) };
      if (claim.mask === 0) continue;
      const there = bytes.get(byte) ?? [];
      const conflict = conflictAt(byte, claim, there);
      if (conflict) return conflict;
      bytes.set(byte, [...there, claim]);
    }
  }
  return bytes;
};

/**
 * Whether the sets are forms of one capability, told apart by their conditions (MSI with 32 and with 64 bits). That no
 * device meets two of them is the owner's word; where one does, the second is left out of its table and reported.
 */
const areForms = (one: OwnedSet, other: OwnedSet): boolean =>
  one.owner === other.owner && one.set.when !== undefined && other.set.when !== undefined;

/** Whether both sets can lie at the same place of one device. Where a capability lies, only the device knows. */
const sameAnchor = (one: Anchor, other: Anchor): boolean => {
  if (one.kind === 'header') return other.kind === 'header' && one.types.some((type) => other.types.includes(type));
  return other.kind === one.kind && other.id === one.id;
};

const agree = (one: number | undefined, other: number | undefined): boolean =>
  one === undefined || other === undefined || one === other;

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Device ids that a match is for, from the first to the last. */
const rangeOf = ({ device, devices }: DeviceMatch): Range =>
  devices ?? (device === undefined ? { from: 0, to: 0xffff } : { from: device, to: device });

const meet = (one: Range, other: Range): boolean => one.from <= other.to && other.from <= one.to;

const namesIds = ({ device, devices }: DeviceMatch): boolean => device !== undefined || devices !== undefined;

/**
 * Whether one names ids and the other a class, so that nothing can be compared. A quirk for one device is not refused
 * because another is for a class of its vendor: if the device is of that class, its own table tells.
 */
const cannotTell = (one: DeviceMatch, other: DeviceMatch): boolean =>
  namesIds(one) !== namesIds(other) &&
  (one.class === undefined) !== (other.class === undefined) &&
  namesIds(one) === (one.class === undefined);

/** Whether a device can exist that both describe, as far as they can be compared. */
const matchesIntersect = (one: DeviceMatch, other: DeviceMatch): boolean =>
  one.vendor === other.vendor &&
  !cannotTell(one, other) &&
  meet(rangeOf(one), rangeOf(other)) &&
  (one.revisions === undefined || other.revisions === undefined || meet(one.revisions, other.revisions)) &&
  agree(one.function, other.function) &&
  agree(one.subsystemVendor, other.subsystemVendor) &&
  agree(one.subsystemDevice, other.subsystemDevice) &&
  (one.class === undefined ||
    other.class === undefined ||
    ((one.class.value ^ other.class.value) & one.class.mask & other.class.mask) === 0);

/** What a condition asks a device that a match does not tell. */
class NotTold extends Error {}

/** A device of which only that is known what a match says. */
const described = (match: DeviceMatch): PciFunction => {
  const { vendor, device, subsystemVendor, subsystemDevice } = match;
  const { class: code } = match;
  const told: Readonly<Record<string, unknown>> = {
    vendor,
    device,
    subsystemVendor,
    subsystemDevice,
    class: code?.mask === ALL_OF_CLASS ? code.value : undefined,
  };
  const ask = (): never => {
    throw new NotTold();
  };
  const identity = new Proxy(told, { get: (facts, key) => facts[String(key)] ?? ask() });
  return new Proxy(
    { identity },
    { get: (facts, key) => (key === 'identity' ? facts.identity : ask()) },
  ) as unknown as PciFunction;
};

/** Whether the condition of a set says no to every device that another one is for, whatever else those are. */
const excludes = ({ set: { when } }: OwnedSet, { match }: OwnedSet): boolean => {
  if (when === undefined || match === undefined) return false;
  return match.every((one) => {
    try {
      return !when(described(one), 0);
    } catch {
      // It wants to know more, or does not work: only a device can tell.
      return false;
    }
  });
};

/** Whether a quirk takes what it claims from a field; for bits with code the table of a device tells. */
const takes = ({ set: { instead }, match }: OwnedSet, other: OwnedSet): boolean =>
  match !== undefined && other.match === undefined && other.owner === `fields/${instead}`;

const sameDevice = (one: OwnedSet, other: OwnedSet): boolean =>
  one.match === undefined ||
  other.match === undefined ||
  one.match.some((first) => other.match?.some((second) => matchesIntersect(first, second)));

/**
 * Finds two registers that claim the same bit of a device both are for: within one added set, between two of them, or
 * between an added set and one that is there already. Sets with different anchors are not compared: whether a quirk
 * lies over a capability is seen when a device's table is compiled.
 */
export const findOverlap = (added: readonly OwnedSet[], present: readonly OwnedSet[] = []): Overlap | undefined => {
  const maps = new Map<OwnedSet, ByteMap>();
  const mapOf = (owned: OwnedSet): ByteMap | Overlap => {
    const known = maps.get(owned);
    if (known) return known;
    const map = byteMap(owned);
    if ('register' in map) return map;
    maps.set(owned, map);
    return map;
  };
  for (const [index, one] of added.entries()) {
    const map = mapOf(one);
    if ('register' in map) return map;
    for (const other of [...present, ...added.slice(0, index)]) {
      if (!sameAnchor(one.set.anchor, other.set.anchor) || !sameDevice(one, other) || areForms(one, other)) continue;
      if (takes(one, other) || takes(other, one) || excludes(one, other) || excludes(other, one)) continue;
      const theirs = mapOf(other);
      if ('register' in theirs) return theirs;
      for (const [byte, claims] of map) {
        for (const claim of claims) {
          const conflict = conflictAt(byte, claim, theirs.get(byte));
          if (conflict) return conflict;
        }
      }
    }
  }
  return undefined;
};

const ownedSets = (quirk: Quirk): OwnedSet[] =>
  quirk.sets.map((set) => ({ owner: quirk.name, set, match: quirk.match }));

/** Whether a function can exist that both limits allow. */
const limitsMeet = (one: readonly Bdf[] | undefined, other: readonly Bdf[] | undefined): boolean =>
  one === undefined || other === undefined || one.some((address) => other.includes(address));

/** Refuses field sets and quirks that lie over others: before any device has both. */
export const refuseOverlap: CheckAdded = ({ plugin, fields = [], quirks = [] }, there) => {
  const added = [...fields.map((set) => ({ owner: plugin, set })), ...quirks.flatMap(ownedSets)];
  const only = quirks.flatMap((quirk) => quirk.only ?? []);
  const isLimited = fields.length === 0 && quirks.every((quirk) => quirk.only !== undefined);
  const beside = there.quirks.entries
    .map(({ thing }) => thing)
    .filter((quirk) => !isLimited || limitsMeet(quirk.only, only));
  const present = [
    ...there.fields.entries.map(({ plugin: owner, thing: set }) => ({ owner, set })),
    ...beside.flatMap(ownedSets),
  ];
  for (const { owner, set } of added) {
    if (set.instead === undefined || (givers as readonly string[]).includes(set.instead)) continue;
    const why = `"${set.instead}" gives nothing away: ${givers.join(' and ')} do`;
    fail('QUIRK_INVALID', { quirk: owner, where: 'instead', why });
  }
  const tooLong = added.find(({ set }) => set.registers.length > MOST_REGISTERS);
  if (present.length + added.length > MOST_SETS || tooLong !== undefined) {
    const { owner = '' } = tooLong ?? added[0] ?? {};
    fail('PLUGIN_TOO_MUCH', { name: owner, sets: MOST_SETS, registers: MOST_REGISTERS });
  }
  const overlap = findOverlap(added, present);
  if (overlap !== undefined) fail('FIELD_OVERLAP', { ...overlap });
};

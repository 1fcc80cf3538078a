// SPDX-License-Identifier: MIT

import type { Behaviour } from '../../core/space/behaviour.ts';
import type { Contribution } from '../../core/space/compile.ts';
import type { AccessCounts, ConfigSpace } from '../../core/space/config-space.ts';
import type { BitPolicy, FieldSet } from '../../core/space/declaration.ts';
import type { PlacedClaim, Unhandled } from '../../core/space/table.ts';
import { takenFrom } from '../instead.ts';

/** What kind of field a bit belongs to. */
export type OwnerKind = 'header' | 'list' | 'capability' | 'extended' | 'quirk' | 'permissive' | 'none';

/** Neighbouring bits with one owner and one policy, and what an access does to them. */
export interface ExplainedBits {
  /** Counted from bit 0 of the part's first byte. */
  readonly high: number;
  readonly low: number;
  /** `plugin: set / register`; the policy for bits without a field. */
  readonly owner: string;
  readonly kind: OwnerKind;
  readonly policy: BitPolicy | 'none';
  readonly read: string;
  readonly write: string;
  /** Of a quirk: the registers of fields that it stands in place of here; missing: none. */
  readonly instead?: readonly string[];
}

/** A part of config space that lies in one aligned dword. */
export interface ExplainedPart {
  readonly offset: number;
  /** Bytes, 1..4. */
  readonly size: number;
  /** From the highest bit down. */
  readonly bits: readonly ExplainedBits[];
  /** Accesses that touched a byte of it: the count of the byte with the most. */
  readonly counts: { readonly reads: number; readonly writes: number; readonly denied: number };
}

/** One register with an owner, for the overview of a whole config space. */
export interface ExplainedRegister {
  /** Of the first and last byte with a bit of it. */
  readonly first: number;
  readonly last: number;
  readonly owner: string;
  readonly kind: OwnerKind;
  /** Number of bits by policy. */
  readonly bits: Readonly<Partial<Record<BitPolicy, number>>>;
}

/** One letter per byte of config space. */
export interface ExplainedMap {
  /** `H` header, `L` capability list, `C` capability, `X` extended capability, `Q` quirk, `P` permissive, `.` no field. */
  readonly kinds: string;
  /** `d` denied, `w` written, `r` read, `.` untouched; the first that holds. */
  readonly marks: string;
}

/** What is explained: the space of one guest's device and what its table was made of. */
export interface ExplainedSpace {
  readonly space: ConfigSpace;
  readonly contributions: readonly Contribution[];
  readonly unhandled: Unhandled;
  /** Whether sets of this owner are a quirk's. */
  readonly isQuirk: (owner: string) => boolean;
  /** Where a set lies in the device; `undefined`: it has no such place. */
  readonly baseOf: (set: FieldSet) => number | undefined;
}

const LIST_OWNER = 'capability list / ';
const anchorKinds = { header: 'header', capability: 'capability', extended: 'extended' } as const;

const hexOf = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** Kinds by `owner: set`, so that a claim finds its own by its name. */
const kindFinder = ({ contributions, isQuirk }: ExplainedSpace): ((owner: string) => OwnerKind) => {
  const kinds = new Map<string, OwnerKind>();
  for (const one of contributions) {
    if (!('set' in one)) continue;
    kinds.set(`${one.owner}: ${one.set.name}`, isQuirk(one.owner) ? 'quirk' : anchorKinds[one.set.anchor.kind]);
  }
  return (owner) => {
    if (owner.startsWith(LIST_OWNER)) return 'list';
    // Names of sets and registers may hold slashes of their own.
    for (let end = owner.indexOf(' / '); end >= 0; end = owner.indexOf(' / ', end + 1)) {
      const kind = kinds.get(owner.slice(0, end));
      if (kind !== undefined) return kind;
    }
    return 'header';
  };
};

/** What a read shows and a write does, in words. `own` are the bits of the shadow, in place. */
const wordsFor = (
  policy: BitPolicy,
  own: string,
  behaviour: Behaviour | undefined,
): { readonly read: string; readonly write: string } => {
  switch (policy) {
    case 'readOnly':
      return { read: 'hardware', write: 'refused: read-only' };
    case 'writable':
      return { read: 'hardware', write: 'goes to hardware' };
    case 'clearedByOne':
      return { read: 'hardware', write: 'a one goes to hardware, a zero never' };
    case 'emulated':
      return { read: `the guest's own value, now ${own}`, write: 'changes that value, hardware never' };
    case 'shown':
      return { read: `always ${own}`, write: 'refused: fixed' };
    case 'reserved':
      return { read: 'hardware', write: 'ignored' };
    case 'function':
      return {
        read: behaviour?.about?.read ?? (behaviour?.read === undefined ? 'hardware' : 'as the field decides'),
        write:
          behaviour?.about?.write ?? (behaviour?.write === undefined ? 'refused: read-only' : 'as the field decides'),
      };
  }
};

const freeWords = (unhandled: Unhandled): Omit<ExplainedBits, 'high' | 'low'> =>
  unhandled === 'permissive'
    ? { owner: 'policy: permissive', kind: 'permissive', policy: 'none', read: 'hardware', write: 'goes to hardware' }
    : { owner: 'policy: drop', kind: 'none', policy: 'none', read: 'hardware', write: 'refused: no field' };

/** Bits of a claim that hang together, as masks. */
const runsOf = (mask: number): { readonly high: number; readonly low: number }[] => {
  const runs: { high: number; low: number }[] = [];
  for (let bit = 31; bit >= 0; bit--) {
    if (((mask >>> bit) & 1) === 0) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.low === bit + 1) last.low = bit;
    else runs.push({ high: bit, low: bit });
  }
  return runs;
};

const peak = (counts: Uint32Array, offset: number, size: number): number =>
  counts.subarray(offset, offset + size).reduce((most, one) => Math.max(most, one), 0);

/** Registers of fields in whose place a register of a quirk has bits of a dword. */
const insteadOf = (
  { contributions, isQuirk, baseOf }: ExplainedSpace,
  { owner, dword, mask }: PlacedClaim,
): readonly string[] =>
  contributions.flatMap((one) => {
    if (!('set' in one) || !isQuirk(one.owner) || !owner.startsWith(`${one.owner}: ${one.set.name} / `)) return [];
    const isHere = (byte: number, bits: number): boolean =>
      (byte & ~3) === dword && ((mask >>> ((byte & 3) * 8)) & bits) !== 0;
    return takenFrom(one.set, contributions, baseOf, isHere);
  });

const explainPart = (
  subject: ExplainedSpace,
  kindOf: (owner: string) => OwnerKind,
  offset: number,
  size: number,
): ExplainedPart => {
  const { space, unhandled } = subject;
  const { table, counts } = space;
  const dword = offset & ~3;
  const shift = (offset & 3) * 8;
  const lane = (size === 4 ? 0xffffffff : (2 ** (size * 8) - 1) << shift) >>> 0;
  let free = lane;
  const bits: ExplainedBits[] = [];
  const add = (mask: number, words: (high: number, low: number) => Omit<ExplainedBits, 'high' | 'low'>): void => {
    for (const { high, low } of runsOf(mask)) bits.push({ high: high - shift, low: low - shift, ...words(high, low) });
  };
  for (const claim of table.claims) {
    const mask = (claim.mask & lane & free) >>> 0;
    if (claim.dword !== dword || mask === 0) continue;
    free = (free & ~mask) >>> 0;
    const coded = table.registers[dword >> 2]?.find((one) => one.owner === claim.owner);
    const instead = insteadOf(subject, { ...claim, mask });
    add(mask, (high, low) => {
      const shown = ((table.bits.shadow[dword >> 2] ?? 0) >>> low) & (2 ** (high - low + 1) - 1);
      const { owner, policy } = claim;
      const words = wordsFor(policy, hexOf(shown), coded?.behaviour);
      return { owner, kind: kindOf(owner), policy, ...words, ...(instead.length === 0 ? {} : { instead }) };
    });
  }
  add(free, () => freeWords(unhandled));
  return {
    offset,
    size,
    bits: bits.sort((one, other) => other.high - one.high),
    counts: {
      reads: peak(counts.reads, offset, size),
      writes: peak(counts.writes, offset, size),
      denied: peak(counts.denied, offset, size),
    },
  };
};

/** Who owns each bit of some bytes, and what accesses do. One part for each dword that is touched. */
export const explainBytes = (subject: ExplainedSpace, offset: number, size: number): ExplainedPart[] => {
  const kindOf = kindFinder(subject);
  const end = Math.min(offset + size, subject.space.table.bits.size);
  const parts: ExplainedPart[] = [];
  for (let at = offset; at < end; ) {
    const next = Math.min(end, (at & ~3) + 4);
    parts.push(explainPart(subject, kindOf, at, next - at));
    at = next;
  }
  return parts;
};

const bitCount = (mask: number): number => runsOf(mask).reduce((sum, { high, low }) => sum + high - low + 1, 0);

const bytesOf = ({ dword, mask }: PlacedClaim): { readonly first: number; readonly last: number } => ({
  first: dword + (Math.log2((mask & -mask) >>> 0) >> 3),
  last: dword + ((31 - Math.clz32(mask)) >> 3),
});

/** Every register with an owner, by offset. */
export const explainRegisters = (subject: ExplainedSpace): ExplainedRegister[] => {
  const kindOf = kindFinder(subject);
  const registers: ExplainedRegister[] = [];
  for (const claim of [...subject.space.table.claims].sort((one, other) => one.dword - other.dword)) {
    const { first, last } = bytesOf(claim);
    // Several registers of the lists bear the same name; one register may lie in two dwords.
    const index = registers.findIndex(
      (one) => one.owner === claim.owner && ((one.first & ~3) === claim.dword || one.last + 1 === first),
    );
    const known = registers[index];
    const bits = { ...known?.bits };
    bits[claim.policy] = (bits[claim.policy] ?? 0) + bitCount(claim.mask);
    const register: ExplainedRegister = {
      first: Math.min(first, known?.first ?? first),
      last: Math.max(last, known?.last ?? last),
      owner: claim.owner,
      kind: known?.kind ?? kindOf(claim.owner),
      bits,
    };
    if (known === undefined) registers.push(register);
    else registers[index] = register;
  }
  return registers.sort((one, other) => one.first - other.first || one.last - other.last);
};

const kindLetters: Readonly<Record<OwnerKind, string>> = {
  none: '.',
  permissive: 'P',
  header: 'H',
  list: 'L',
  capability: 'C',
  extended: 'X',
  quirk: 'Q',
};

const markOf = ({ reads, writes, denied }: AccessCounts, at: number): string =>
  (denied[at] ?? 0) > 0 ? 'd' : (writes[at] ?? 0) > 0 ? 'w' : (reads[at] ?? 0) > 0 ? 'r' : '.';

/** The whole config space, a letter for each byte; a byte with several owners shows the quirk among them. */
export const explainMap = (subject: ExplainedSpace): ExplainedMap => {
  const { space, unhandled } = subject;
  const kindOf = kindFinder(subject);
  const kinds = new Array<string>(space.table.bits.size).fill(kindLetters[freeWords(unhandled).kind]);
  for (const claim of space.table.claims) {
    const letter = kindLetters[kindOf(claim.owner)];
    for (let byte = 0; byte < 4; byte++) {
      const at = claim.dword + byte;
      if (((claim.mask >>> (byte * 8)) & 0xff) !== 0 && kinds[at] !== kindLetters.quirk) kinds[at] = letter;
    }
  }
  return { kinds: kinds.join(''), marks: kinds.map((_, at) => markOf(space.counts, at)).join('') };
};

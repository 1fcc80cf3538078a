// SPDX-License-Identifier: MIT

import { hex } from '../../core/bdf.ts';
import { Outcome } from '../../core/space/outcome.ts';
import type { RecordedAccess } from '../../core/space/recorder.ts';
import type { PlacedClaim } from '../../core/space/table.ts';
import type { DeviceImage } from '../program/index.ts';
import { type HeldDevice, type HeldTerms, holdDevice } from './held-device.ts';
import { type Expectation, mostOf, placeText, type Script, type Size, type Step } from './script-terms.ts';

/** An access that was made, and what came of it. */
export interface Tried {
  readonly step: Step;
  readonly access: RecordedAccess;
  /** Why it could not be made; `access` is what it would have been then. Missing: it was. */
  readonly impossible?: string;
  /** What was expected and did not come. */
  readonly unmet: readonly string[];
  /** The bits of it that the quirks on trial have, counted from bit 0 of the access. */
  readonly concerned: number;
}

/** Bits of an aligned dword, with their owner. */
export type OwnedBits = Pick<PlacedClaim, 'dword' | 'mask' | 'owner'>;

/** What came of a script. */
export interface TrialReport {
  readonly tried: readonly Tried[];
  /** Bits of the quirks on trial that no access used: read, where they can be read only; changed, where they can be written. */
  readonly untouched: readonly OwnedBits[];
  /** Bits that reach the device by the quirks on trial. */
  readonly opened: number;
}

const isOf = (names: ReadonlySet<string>, owner: string): boolean => names.has(owner.slice(0, owner.indexOf(': ')));

/** The places of the quirks' bits in a device. */
export const claimsOfQuirks = ({ assignment }: HeldDevice, names: ReadonlySet<string>): readonly PlacedClaim[] =>
  assignment.space.table.claims.filter(({ owner }) => isOf(names, owner));

/**
 * As {@link holdDevice}, of a device whose registers remember what a quirk lets a guest write: a dump does not say which bits a
 * device has.
 *
 * @param names of the quirks
 */
export const holdRemembering = async (
  images: readonly DeviceImage[],
  image: DeviceImage,
  terms: HeldTerms,
  names: ReadonlySet<string>,
): Promise<HeldDevice> => {
  const probe = await holdDevice(images, image.bdf, terms);
  const claims = claimsOfQuirks(probe, names).filter(({ policy }) => policy === 'writable' || policy === 'function');
  await probe.close();
  const writable = [
    ...(image.writable ?? []),
    ...claims.map(({ dword, mask }) => ({ offset: dword, size: 4 as const, mask })),
  ];
  return holdDevice(
    images.map((one) => (one === image ? { ...image, writable } : one)),
    image.bdf,
    terms,
  );
};

/** Where an access goes in this device; a text: why it cannot. */
const offsetOf = ({ place, size }: Step, { device, assignment }: HeldDevice): number | string => {
  const { capability, offset } = place;
  const { standard, extended } = device.operations.lists;
  const found = (capability?.list === 'extended' ? extended : standard).find(({ id }) => id === capability?.id);
  if (capability !== undefined && found === undefined)
    return `the device has no ${placeText(place).replace(/\+.*/, '')}`;
  const at = offset + (found?.offset ?? 0);
  const end = assignment.space.table.bits.size;
  if (at + size > end) return `0x${hex(at, 2)} is beyond the ${end} bytes of config space`;
  return at % size === 0 ? at : `0x${hex(at, 2)} is not aligned to ${size} bytes`;
};

const value = (number: number, size: number): string => `0x${hex(number, 2 * size)}`;

/** How bits were used, by dword: an access covered them, a write covered, changed or had them as ones. */
const uses = () => ({
  covered: new Map<number, number>(),
  written: new Map<number, number>(),
  changed: new Map<number, number>(),
  ones: new Map<number, number>(),
});

/** What uses bits as they are meant to be. */
const useOf = {
  readOnly: 'covered',
  shown: 'covered',
  reserved: 'covered',
  writable: 'changed',
  emulated: 'changed',
  clearedByOne: 'ones',
  function: 'written',
} as const;

/** Makes accesses of a driver. */
class Driver {
  readonly #held: HeldDevice;
  readonly #names: ReadonlySet<string>;
  readonly #used = uses();

  constructor(held: HeldDevice, names: ReadonlySet<string>) {
    this.#held = held;
    this.#names = names;
  }

  #mark(what: keyof ReturnType<typeof uses>, offset: number, bits: number): void {
    const marks = this.#used[what];
    marks.set(offset & ~3, ((marks.get(offset & ~3) ?? 0) | (bits << (8 * (offset & 3)))) >>> 0);
  }

  /** @returns what a guest reads; `undefined` when it gets an error */
  #read(offset: number, size: Size): number | undefined {
    const { space } = this.#held.assignment;
    return space.read(offset, size) === 0 ? space.value : undefined;
  }

  /** Bits of the quirks in an access, counted from its bit 0. */
  concerned(offset: number, size: Size): number {
    const shift = 8 * (offset & 3);
    const claims = this.#held.assignment.space.claimsOf(offset, mostOf(size));
    const bits = claims.reduce((mask, claim) => (isOf(this.#names, claim.owner) ? mask | claim.mask : mask), 0);
    return ((bits >>> shift) & mostOf(size)) >>> 0;
  }

  async make(step: Step, offset: number): Promise<RecordedAccess> {
    const { kind, size } = step;
    const { space } = this.#held.assignment;
    let made: RecordedAccess | undefined;
    const before = kind === 'write' ? (this.#read(offset, size) ?? 0) : 0;
    const mask = step.mask ?? mostOf(size);
    const written = (((step.value ?? 0) & mask) | (before & ~mask)) >>> 0;
    space.record({ access: (one) => (made = { ...one }) });
    let status = kind === 'read' ? space.read(offset, size) : space.write(offset, size, written);
    space.record(undefined);
    if (status === Outcome.later) status = await this.#held.settled();
    this.#mark('covered', offset, mostOf(size));
    if (kind === 'write') {
      this.#mark('written', offset, mostOf(size));
      this.#mark('changed', offset, written ^ before);
      this.#mark('ones', offset, written);
    }
    if (made === undefined) throw new Error(`an access of ${size} bytes at 0x${hex(offset, 2)} was not taken down`);
    return { ...made, status };
  }

  /** What was expected of an access and did not come. */
  unmet(step: Step, access: RecordedAccess): readonly string[] {
    return step.expects.flatMap((one) => this.#missing(step, access, one).map((why) => `line ${one.line}: ${why}`));
  }

  #missing({ kind }: Step, access: RecordedAccess, expected: Expectation): readonly string[] {
    const { offset, size, denied, status } = access;
    const failed = status === 0 ? [] : [`the guest got error ${status}`];
    const refused = denied === 0 ? 'nothing was refused' : `bits ${value(denied, size)} were refused`;
    if (expected.kind === 'accepted') return denied === 0 ? failed : [refused];
    if (expected.kind === 'denied') {
      const isRight = expected.mask === undefined ? denied !== 0 : denied === expected.mask;
      return isRight ? [] : [refused];
    }
    const shown = kind === 'read' ? access.value : this.#read(offset, size);
    if (shown === expected.value) return failed;
    return [
      `expected ${value(expected.value, size)}, it shows ${shown === undefined ? 'nothing' : value(shown, size)}`,
    ];
  }

  /** Bits of the quirks that nothing used as they are meant to be. */
  untouched(): readonly OwnedBits[] {
    return claimsOfQuirks(this.#held, this.#names).flatMap(({ dword, mask, owner, policy }) => {
      const left = (mask & ~(this.#used[useOf[policy]].get(dword) ?? 0)) >>> 0;
      return left === 0 ? [] : [{ dword, mask: left, owner }];
    });
  }
}

const bitCount = (mask: number): number => mask.toString(2).replaceAll('0', '').length;

/** Bits that reach the device by these quirks: written, cleared, or by code that writes. */
const openedBits = (held: HeldDevice, names: ReadonlySet<string>): number => {
  const { registers } = held.assignment.space.table;
  return claimsOfQuirks(held, names)
    .filter(({ dword, owner, policy }) => {
      if (policy !== 'function') return policy === 'writable' || policy === 'clearedByOne';
      return registers[dword >> 2]?.find((one) => one.owner === owner)?.behaviour.write !== undefined;
    })
    .reduce((sum, { mask }) => sum + bitCount(mask), 0);
};

/**
 * Makes the accesses of a script, in order.
 *
 * Where the script is from a session that showed values, the device has what was read there before it is read here: bits that
 * no field looks after change as they did.
 *
 * @param names of the quirks on trial
 */
export const tryScript = async (held: HeldDevice, script: Script, names: ReadonlySet<string>): Promise<TrialReport> => {
  const driver = new Driver(held, names);
  const model = held.platform.pci.model(held.device.bdf);
  const { space } = held.assignment;
  const tried: Tried[] = [];
  for (const step of script.steps) {
    const offset = offsetOf(step, held);
    const { kind, size } = step;
    if (typeof offset === 'string') {
      const access = { kind, offset: step.place.offset, size, value: step.value ?? 0, status: 0, denied: 0, wanted: 0 };
      tried.push({ step, access, impossible: offset, unmet: [`line ${step.line}: ${offset}`], concerned: 0 });
      continue;
    }
    if (kind === 'read' && step.value !== undefined) {
      const shift = 8 * (offset & 3);
      const others = space.claimsOf(offset, mostOf(size)).filter(({ owner }) => !isOf(names, owner));
      const looked = others.reduce((mask, claim) => mask | (claim.mask >>> shift), 0) & mostOf(size);
      model.poke(offset, size, ((model.peek(offset, size) & looked) | (step.value & ~looked)) >>> 0);
    }
    const access = await driver.make(step, offset);
    tried.push({ step, access, unmet: driver.unmet(step, access), concerned: driver.concerned(offset, size) });
  }
  return { tried, untouched: driver.untouched(), opened: openedBits(held, names) };
};

// SPDX-License-Identifier: MIT

import { type Bdf, functionOf } from '../bdf.ts';
import { fail } from '../errors/index.ts';
import type { InterruptLimits } from '../interrupts.ts';
import type { PciIdentity } from '../platform/pci.ts';
import { type FieldSet, header, type Register } from '../space/declaration.ts';
import type { Surgery } from '../space/surgery.ts';

/** Which devices a quirk is for. Every key that is given has to agree; numbers as in the device's registers. */
export interface DeviceMatch {
  /** 16 bits, at 0x00 of config space. */
  readonly vendor: number;
  /** 16 bits, at 0x02. */
  readonly device?: number;
  /** Instead of `device`: every id from the first to the last. */
  readonly devices?: { readonly from: number; readonly to: number };
  /** 16 bits, at 0x2c. */
  readonly subsystemVendor?: number;
  /** 16 bits, at 0x2e. */
  readonly subsystemDevice?: number;
  /** 24-bit class code with the mask of its bits that count. */
  readonly class?: { readonly value: number; readonly mask: number };
  /** Number of the function in its slot, 0..7. */
  readonly function?: number;
  /** Steppings, from the first to the last, 8 bits. */
  readonly revisions?: { readonly from: number; readonly to: number };
}

/** What {@link defineQuirk} takes; it has to say at least one thing beside name, source and match. */
export interface QuirkDefinition {
  /** `vendor/family`, unique. */
  readonly name: string;
  /** Where the facts come from: a data sheet, an erratum, a driver. */
  readonly source: string;
  /** The devices it is for: one of these has to fit. */
  readonly match: readonly DeviceMatch[];
  /** Registers at absolute offsets, or sets at a capability. */
  readonly fields?: readonly (Register | FieldSet)[];
  /** `pcie`: what it claims of bits of `fields/pcie` is its own, but for those with code. Missing: it is left out there. */
  readonly instead?: string;
  /** Changes of the shape of config space: capabilities hidden, linked again, added; a limit of its size. */
  readonly surgery?: readonly Surgery[];
  /**
   * What is special about the line interrupt, under every policy; looked at when a guest gets the device. A tap of the hook
   * `interruptLimits` goes before it.
   */
  readonly interruptLimits?: { readonly [Limit in keyof InterruptLimits]: true };
}

/** Facts about devices that the bundled fields do not know, as {@link defineQuirk} returns them. */
export interface Quirk
  extends Pick<QuirkDefinition, 'name' | 'source' | 'match'>,
    Required<Pick<QuirkDefinition, 'surgery'>> {
  /** Tells it from a plugin, which a module can export as well. */
  readonly kind: 'quirk';
  /** Its registers; those at absolute offsets are one set. */
  readonly sets: readonly FieldSet[];
  /** Missing: nothing is special. */
  readonly interruptLimits?: InterruptLimits;
  /** An operator has it in force for these functions only, whatever else it matches. Missing: for all that it matches. */
  readonly only?: readonly Bdf[];
}

const isSet = (field: Register | FieldSet): field is FieldSet => 'anchor' in field;

const fitsIn = (value: number, most: number): boolean => Number.isInteger(value) && value >= 0 && value <= most;
const isId = (value: number): boolean => fitsIn(value, 0xffff);
const isClass = (value: number): boolean => fitsIn(value, 0xffffff);

/** @param refuse throws */
const checkMatch = (one: DeviceMatch, refuse: (key: string, why: string) => void): void => {
  const { devices, revisions, function: fn } = one;
  for (const key of ['vendor', 'device', 'subsystemVendor', 'subsystemDevice'] as const) {
    const value = one[key];
    if (value !== undefined && !isId(value)) refuse(key, `${value} is not a 16-bit id`);
  }
  if (devices !== undefined) {
    if (one.device !== undefined) refuse('devices', 'name one device or several, not both');
    const { from, to } = devices;
    if (!isId(from) || !isId(to) || from > to) refuse('devices', `${from} to ${to} is not a range of 16-bit ids`);
  }
  if (one.class !== undefined) {
    const { value, mask } = one.class;
    if (!isClass(value) || !isClass(mask)) refuse('class', 'value and mask have 24 bits');
    if (mask === 0 || (value & ~mask) !== 0) refuse('class', 'the mask leaves out bits of the value, or all');
  }
  if (fn !== undefined && !fitsIn(fn, 7)) refuse('function', `${fn} is not 0 to 7`);
  if (revisions !== undefined) {
    const { from, to } = revisions;
    if (!fitsIn(from, to) || !fitsIn(to, 0xff)) refuse('revisions', `${from} to ${to} is not a range of 8-bit numbers`);
  }
};

const limits: Readonly<Record<keyof InterruptLimits, true>> = { disableStopsMessages: true, maskingBroken: true };

/**
 * Defines a quirk; the module default-exports the result.
 *
 * @throws PcibackError `QUIRK_INVALID` naming the quirk and the part that is wrong.
 */
export const defineQuirk = (definition: QuirkDefinition): Quirk => {
  const { name, source, match, fields = [], instead, surgery = [], interruptLimits = {} } = definition;
  const refuse = (where: string, why: string): never => fail('QUIRK_INVALID', { quirk: name, where, why });
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9-]*(\/[a-z0-9][a-z0-9.-]*)*$/.test(name))
    refuse('name', 'use lower-case words: vendor/family');
  if (typeof source !== 'string' || source.trim() === '') refuse('source', 'say where the facts come from');
  if (!Array.isArray(match) || match.length === 0) refuse('match', 'name at least one device: [{ vendor, device }]');
  for (const [limit, value] of Object.entries(interruptLimits)) {
    if (!Object.hasOwn(limits, limit) || value !== true) {
      refuse(`interruptLimits.${limit}`, `say ${Object.keys(limits).join(': true, ')}: true, or leave it out`);
    }
  }
  if (fields.length === 0 && surgery.length === 0 && Object.keys(interruptLimits).length === 0) {
    refuse('fields', 'declare at least one register, surgery, or a limit of the line interrupt');
  }
  for (const one of surgery) {
    if (one.kind === 'limit' && (one.size % 4 !== 0 || one.size < 0x40 || one.size > 4096)) {
      refuse('surgery', `a config size of ${one.size} bytes is not a multiple of 4 between 64 and 4096`);
    }
  }
  for (const [index, one] of match.entries()) {
    checkMatch(one, (key, why) => refuse(`match[${index}].${key}`, why));
  }
  const absolute = fields.filter((field): field is Register => !isSet(field));
  for (const one of absolute) if (one.claims.length === 0) refuse(`register ${one.name}`, 'it claims no bit');
  const own = absolute.length === 0 ? [] : [header(name, [0, 1], absolute)];
  return {
    kind: 'quirk',
    name,
    source,
    match,
    surgery,
    interruptLimits,
    sets: [...own, ...fields.filter(isSet)].map((set) => (instead === undefined ? set : { instead, ...set })),
  };
};

/** What {@link matches} has to know of a device. */
export type Matchable = Pick<
  PciIdentity,
  'bdf' | 'vendor' | 'device' | 'subsystemVendor' | 'subsystemDevice' | 'class' | 'revision'
>;

/** Whether a quirk is in force for this device. */
export const matches = (quirk: Pick<Quirk, 'match' | 'only'>, identity: Matchable): boolean =>
  (quirk.only?.includes(identity.bdf) ?? true) &&
  quirk.match.some(
    (one) =>
      one.vendor === identity.vendor &&
      (one.device === undefined || one.device === identity.device) &&
      (one.devices === undefined || (one.devices.from <= identity.device && identity.device <= one.devices.to)) &&
      (one.revisions === undefined ||
        (one.revisions.from <= identity.revision && identity.revision <= one.revisions.to)) &&
      (one.function === undefined || one.function === functionOf(identity.bdf)) &&
      (one.subsystemVendor === undefined || one.subsystemVendor === identity.subsystemVendor) &&
      (one.subsystemDevice === undefined || one.subsystemDevice === identity.subsystemDevice) &&
      (one.class === undefined || (identity.class & one.class.mask) === (one.class.value & one.class.mask)),
  );

/** What these quirks, all of one device, say about its line interrupt. */
export const interruptLimitsOf = (quirks: readonly Quirk[]): InterruptLimits =>
  Object.assign({}, ...quirks.map((quirk) => quirk.interruptLimits));

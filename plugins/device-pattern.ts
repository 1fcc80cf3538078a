// SPDX-License-Identifier: MIT

import { BDF_NUMBER, type Bdf, bdf, busOf, deviceOf, functionOf, hex, inRange, segmentOf } from '../core/bdf.ts';
import type { AddressPattern } from '../core/config.ts';
import { fail as failInCore } from '../core/errors/index.ts';
import { isBridgeClass } from './bridges.ts';
import { fail } from './errors.ts';

/** What of a function a pattern can be about. */
export interface FunctionFacts {
  readonly bdf: Bdf;
  readonly vendor: number;
  readonly device: number;
  /** 24 bits. */
  readonly class: number;
  /** Of the subsystem; missing: not looked up, or the platform does not tell. */
  readonly subsystemVendor?: number;
  readonly subsystemDevice?: number;
  /** Device serial number as `lspci -vv` prints it, in lower case. Missing: none, or as above. */
  readonly serial?: string | undefined;
  /** Bridges above it, nearest first. */
  readonly bridges: readonly Bdf[];
}

/** Which functions somebody means, by one of the forms of {@link parseDevicePatterns}. */
export interface DevicePattern extends AddressPattern {
  readonly kind: 'address' | 'ids' | 'serial' | 'path';
  /** The address, where the pattern is exactly one. */
  readonly address?: Bdf;
  /** Subsystem and serial number matter; missing: they need not be looked up. */
  readonly inDetail?: boolean;
  /** Whether the function is meant. A bridge is never meant itself. */
  means(one: FunctionFacts): boolean;
  /** Takes down what {@link means} says of the function: {@link matches} knows only addresses by itself. */
  meet(one: FunctionFacts): boolean;
}

const make = (
  of: Pick<DevicePattern, 'text' | 'kind' | 'address' | 'inDetail' | 'means'>,
  covers: (address: Bdf) => boolean = () => false,
): DevicePattern => {
  const met = new Map<Bdf, boolean>();
  const means: DevicePattern['means'] = (one) => !isBridgeClass(one.class) && of.means(one);
  return {
    ...of,
    means,
    meet: (one) => {
      const isMeant = means(one);
      met.set(one.bdf, isMeant);
      return isMeant;
    },
    matches: (address) => met.get(address) ?? covers(address),
  };
};

const N = BDF_NUMBER;
const addressForm = new RegExp(`^\\s*(?:${N}:)?${N}:(?:${N}\\.(?:${N}|(\\*))|(\\*)\\.(\\*))\\s*$`);

/** An address of which function, or slot and function, may be missing: any. */
interface Place {
  readonly segment: number;
  readonly bus: number;
  readonly slot: number | undefined;
  readonly function: number | undefined;
}

const within = (text: string, digits: string | undefined, limit: number, part: string): number | undefined =>
  digits === undefined ? undefined : inRange(text, Number.parseInt(digits, 16), limit, part);

/** @param refuse a text of another form */
const placeOf = (text: string, refuse: () => never): Place => {
  const match = addressForm.exec(text);
  if (match === null) return refuse();
  const [, segment = '0', bus, slot, fn] = match;
  return {
    segment: within(text, segment, 0xffff, 'segment') as number,
    bus: within(text, bus, 0xff, 'bus') as number,
    slot: within(text, slot, 0x1f, 'slot'),
    function: within(text, fn, 7, 'function'),
  };
};

const coversDevfn = ({ slot, function: fn }: Pick<Place, 'slot' | 'function'>, address: Bdf): boolean =>
  (slot === undefined || deviceOf(address) === slot) && (fn === undefined || functionOf(address) === fn);

const coversIn = (place: Place, address: Bdf): boolean =>
  segmentOf(address) === place.segment && busOf(address) === place.bus && coversDevfn(place, address);

/**
 * Parses an address as the kernel module does, in which function, or slot and function, may be `*`: `D:B:S.F`, `D:B:S.*`,
 * `D:B:*.*`, each also without `D:`.
 *
 * @throws PcibackError `BDF_SYNTAX` or `BDF_RANGE`
 */
export const parseBdfPattern = (text: string): AddressPattern => {
  const place = placeOf(text, () => failInCore('BDF_SYNTAX', { text }));
  return { text: text.trim(), matches: (address) => coversIn(place, address) };
};

/** Every address that such a pattern names, whether there is a function or not. */
export const addressesOf = (pattern: AddressPattern): Bdf[] => {
  const { segment, bus } = placeOf(pattern.text, () => failInCore('BDF_SYNTAX', { text: pattern.text }));
  const ofBus = Array.from({ length: 256 }, (_, devfn) => bdf(segment, bus, devfn));
  return ofBus.filter((address) => pattern.matches(address));
};

/** From the root down to the function itself. */
const chainOf = ({ bdf: own, bridges }: FunctionFacts): readonly Bdf[] => [...bridges.toReversed(), own];

const byAddress = (text: string, refuse: () => never): DevicePattern => {
  const place = placeOf(text, refuse);
  const { segment, bus, slot, function: fn } = place;
  const covers = (one: Bdf): boolean => coversIn(place, one);
  if (slot === undefined || fn === undefined)
    return make({ text, kind: 'address', means: (one) => covers(one.bdf) }, covers);
  // A bridge stands for all that is below it.
  const address = bdf(segment, bus, (slot << 3) | fn);
  return make({ text, kind: 'address', address, means: (one) => chainOf(one).some(covers) }, covers);
};

/** Below a bridge: from there on slot and function on each bus, so that bus numbers may change. */
const byPath = (text: string, refuse: () => never): DevicePattern => {
  const [first = '', ...steps] = text.split('/');
  // Bus 0 stands for any.
  const places = [first, ...steps.map((step) => `0:${step}`)].map((one) => placeOf(one, refuse));
  const isOne = ({ slot, function: fn }: Place): boolean => slot !== undefined && fn !== undefined;
  if (!places.slice(0, -1).every(isOne)) refuse();
  const last = places.at(-1) as Place;
  const leads = (chain: readonly Bdf[], from: number): boolean =>
    places.every((place, index) => {
      const at = chain[from + index];
      return at !== undefined && (index === 0 ? coversIn(place, at) : coversDevfn(place, at));
    });
  const means = (one: FunctionFacts): boolean => {
    const chain = chainOf(one);
    return chain.some((_, from) => leads(chain, from) && (isOne(last) || from + places.length === chain.length));
  };
  return make({ text, kind: 'path', means });
};

/** Ids as numbers; `undefined`: any. */
export interface Ids {
  readonly vendor: number;
  readonly device?: number | undefined;
  readonly subvendor?: number | undefined;
  readonly subdevice?: number | undefined;
}

const shown = (id: number | undefined): string => (id === undefined ? '*' : hex(id, 4));
const fits = (id: number | undefined, of: number | undefined): boolean => id === undefined || id === of;

/** Devices with these ids. */
export const withIds = ({ vendor, device, subvendor, subdevice }: Ids): DevicePattern => {
  const ofSubsystem = subvendor === undefined && subdevice === undefined ? [] : [subvendor, subdevice];
  return make({
    text: [vendor, device, ...ofSubsystem].map(shown).join(':'),
    kind: 'ids',
    inDetail: ofSubsystem.length > 0,
    means: (one) =>
      one.vendor === vendor &&
      fits(device, one.device) &&
      fits(subvendor, one.subsystemVendor) &&
      fits(subdevice, one.subsystemDevice),
  });
};

/** How a vendor or device id is written: four digits, so that an address without its function is none. */
export const ID = /^(?:0x)?[0-9a-fA-F]{4}$/;
export const idOf = (text: string): number => Number.parseInt(text, 16);
const anyId = (text: string | undefined): number | undefined =>
  text === undefined || text === '*' ? undefined : idOf(text);

const byIds = (text: string): DevicePattern | undefined => {
  const [vendor = '', ...others] = text.split(':');
  const isIds = ID.test(vendor) && others.every((one) => one === '*' || ID.test(one));
  if (!isIds || (others.length !== 1 && others.length !== 3)) return undefined;
  const [device, subvendor, subdevice] = others.map(anyId);
  return withIds({ vendor: idOf(vendor), device, subvendor, subdevice });
};

/** Eight bytes, the highest first. */
const SERIAL = /^[0-9a-f]{2}(?:-[0-9a-f]{2}){7}$/i;

/** One form. @throws PcibackError `PATTERN_SYNTAX`, `BDF_RANGE` */
export const parseDevicePattern = (text: string): DevicePattern => {
  const form = text.trim();
  const refuse = (): never => fail('PATTERN_SYNTAX', { text });
  if (SERIAL.test(form)) {
    const serial = form.toLowerCase();
    return make({ text: form, kind: 'serial', inDetail: true, means: (one) => one.serial === serial });
  }
  return byIds(form) ?? (form.includes('/') ? byPath(form, refuse) : byAddress(form, refuse));
};

const inParentheses = /^(?:\s*\([^()]*\))+\s*$/;

/**
 * Parses what names functions: an address with or without `*`, `D:B:S.F/S.F` for what lies below a bridge,
 * `vendor:device[:subvendor:subdevice]`, a serial number; or several of them as the kernel module's `hide` has them, each in
 * parentheses.
 *
 * @throws PcibackError `PATTERN_SYNTAX`, `BDF_RANGE`
 */
export const parseDevicePatterns = (text: string): DevicePattern[] => {
  if (!text.trimStart().startsWith('(')) return [parseDevicePattern(text)];
  if (!inParentheses.test(text)) return fail('PATTERN_SYNTAX', { text });
  return [...text.matchAll(/\(([^()]*)\)/g)].map(([, form = '']) => parseDevicePattern(form));
};

// SPDX-License-Identifier: MIT

import {
  type CapabilityLists,
  type CapabilityPlace,
  type ConfigReader,
  ListLayout,
  nextExtended,
} from './capabilities.ts';
import { type Register, register } from './declaration.ts';

/** Which of the two lists of capabilities. */
export type CapabilityList = 'standard' | 'extended';

/** A change of the shape of config space, as the guest sees it. Hardware is not touched. */
export type Surgery =
  /** Takes every capability of this id out of its list; with `vendor` those that begin with its id, as 0x0023 does. */
  | { readonly kind: 'hide'; readonly list: CapabilityList; readonly id: number; readonly vendor?: number }
  /** Puts a capability that is in hardware, but that firmware left out of the list, back at the end of it. */
  | { readonly kind: 'relink'; readonly list: CapabilityList; readonly id: number; readonly offset: number }
  /** Adds a capability that hardware does not have; `registers` count from it and begin behind its header. */
  | {
      readonly kind: 'add';
      readonly list: CapabilityList;
      readonly id: number;
      readonly offset: number;
      readonly registers: readonly Register[];
    }
  /** Nothing is accessed at or beyond this offset: some devices lock the bus up there. */
  | { readonly kind: 'limit'; readonly size: number };

/**
 * The guest does not see this capability: `hide(0x10)`, `hide(0x000b, 'extended')`. Its registers show hardware still, to a
 * guest that knows where they are.
 */
export const hide = (id: number, list: CapabilityList = 'standard', vendor?: number): Surgery =>
  vendor === undefined ? { kind: 'hide', list, id } : { kind: 'hide', list, id, vendor };

/**
 * Puts a capability that firmware left out of the list back at its end: `relink(0x13, 0xe0)`. Where a device has another id
 * at that place, nothing is changed.
 *
 * @param offset where it lies, in bytes
 */
export const relink = (id: number, offset: number, list: CapabilityList = 'standard'): Surgery => ({
  kind: 'relink',
  list,
  id,
  offset,
});

/**
 * Adds a capability that hardware does not have, at the end of the list.
 *
 * @param offset where it is to lie, in bytes; nothing else may lie there
 * @param registers its body; their offsets count from the capability, and begin behind its header
 */
export const add = (
  id: number,
  offset: number,
  registers: readonly Register[],
  list: CapabilityList = 'standard',
): Surgery => ({ kind: 'add', list, id, offset, registers });

/**
 * Nothing is accessed at or beyond this offset, whatever the guest asks for.
 *
 * @param size bytes, a multiple of 4 from 64 to 4096
 */
export const limitConfigSize = (size: number): Surgery => ({ kind: 'limit', size });

/** The shape of one device's config space after surgery. */
export interface Shape {
  readonly lists: CapabilityLists;
  /** Bytes that the guest can reach. */
  readonly size: number;
  /** Registers of the lists themselves, at absolute offsets: headers, pointers, and bodies that were added. */
  readonly registers: readonly Register[];
}

/** Applies the operations on one list, of which all that lies within the size is given, in their order. */
const operate = (
  which: CapabilityList,
  within: readonly CapabilityPlace[],
  surgeries: readonly Surgery[],
  { config, size }: { readonly config: ConfigReader; readonly size: number },
): readonly CapabilityPlace[] => {
  let result = within;
  for (const one of surgeries) {
    if (one.kind === 'limit' || one.list !== which || one.kind === 'hide') continue;
    if (one.offset >= size || result.some((other) => other.offset === one.offset)) continue;
    // What is to be linked again has to be there.
    const there = which === 'standard' ? config.readConfig(one.offset, 1) : config.readConfig(one.offset, 2);
    if (one.kind === 'relink' && there !== one.id) continue;
    result = [...result, { id: one.id, offset: one.offset }];
  }
  const hidden = surgeries.filter((one) => one.kind === 'hide').filter(({ list }) => list === which);
  const isOf = (vendor: number | undefined, offset: number): boolean =>
    vendor === undefined || (offset + 8 <= size && config.readConfig(offset + 4, 2) === vendor);
  return result.filter(({ id, offset }) => !hidden.some((one) => one.id === id && isOf(one.vendor, offset)));
};

/** A register that shows `value`, or hardware where that is the same. */
const showing = (declared: Register, value: number, actual: number): Register =>
  value === actual ? declared.readOnly() : declared.shows(value);

const standardRegisters = (lists: CapabilityLists, changed: CapabilityLists, config: ConfigReader): Register[] => {
  const { standard } = changed;
  const registers: Register[] = [];
  const head = standard[0]?.offset ?? 0;
  const first = lists.standard[0]?.offset ?? 0;
  if (head !== first) registers.push(register(ListLayout.pointer, 8, 'capabilities pointer').shows(head));
  if (standard.length > 0 !== lists.standard.length > 0) {
    const { status, present } = ListLayout;
    registers.push(register(status, 16, 'status').shows(standard.length > 0 ? present : 0, present));
  }
  for (const [index, { id, offset }] of standard.entries()) {
    const next = standard[index + 1]?.offset ?? 0;
    registers.push(showing(register(offset, 8, 'capability id'), id, config.readConfig(offset, 1)));
    const actual = config.readConfig(offset + 1, 1);
    const same = (actual & ListLayout.next) === next;
    registers.push(showing(register(offset + 1, 8, 'next capability'), next, same ? next : actual));
  }
  for (const gone of lists.standard.filter((one) => !standard.some((other) => other.offset === one.offset))) {
    registers.push(register(gone.offset, 16, 'hidden capability').shows(0));
  }
  return registers;
};

const extendedRegisters = (lists: CapabilityLists, changed: CapabilityLists, config: ConfigReader): Register[] => {
  const { extended } = changed;
  const registers: Register[] = [];
  // The list starts at a fixed place: a hidden first capability stays as an empty one that leads to the next.
  const leading =
    extended[0] !== undefined && extended[0].offset !== ListLayout.extended ? (extended[0].offset << 20) >>> 0 : 0;
  const present = lists.extended.some((one) => one.offset === ListLayout.extended) || leading !== 0;
  if (present && extended[0]?.offset !== ListLayout.extended) {
    registers.push(register(ListLayout.extended, 32, 'hidden capability').shows(leading));
  }
  for (const [index, { id, offset }] of extended.entries()) {
    const next = extended[index + 1]?.offset ?? 0;
    const actual = config.readConfig(offset, 4) >>> 0;
    const version = (actual & 0xffff) === id ? (actual >>> 16) & 0xf : 1;
    const header = ((next << 20) | (version << 16) | id) >>> 0;
    const same = nextExtended(actual) === next && (actual & 0xffff) === id;
    registers.push(showing(register(offset, 32, 'capability header'), header, same ? header : actual));
  }
  const gone = lists.extended.filter(
    (one) => one.offset !== ListLayout.extended && !extended.some((other) => other.offset === one.offset),
  );
  for (const one of gone) registers.push(register(one.offset, 32, 'hidden capability').shows(0));
  return registers;
};

/** Works out what the guest sees of the lists. @throws HostError */
export const shapeOf = (
  config: ConfigReader,
  configSize: number,
  lists: CapabilityLists,
  surgeries: readonly Surgery[],
): Shape => {
  const size = surgeries.reduce((least, one) => (one.kind === 'limit' ? Math.min(least, one.size) : least), configSize);
  const within: CapabilityLists = {
    standard: lists.standard.filter((one) => one.offset < size),
    extended: lists.extended.filter((one) => one.offset < size),
  };
  const changed: CapabilityLists = {
    standard: operate('standard', within.standard, surgeries, { config, size }),
    extended: operate('extended', within.extended, surgeries, { config, size }),
  };
  const added = surgeries.flatMap((one) =>
    one.kind === 'add' && [...changed.standard, ...changed.extended].some((place) => place.offset === one.offset)
      ? one.registers.map((body) => body.movedBy(one.offset))
      : [],
  );
  return {
    lists: changed,
    size,
    registers: [...standardRegisters(within, changed, config), ...extendedRegisters(within, changed, config), ...added],
  };
};

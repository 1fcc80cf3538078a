// SPDX-License-Identifier: MIT

import { hex } from '../bdf.ts';
import { HostError, type KeptMemory, type PciFunction } from '../platform/index.ts';
import { booleanShape } from '../wall/wall.ts';
import type { DeviceOperations } from './behaviour.ts';
import { type CapabilityLists, ListLayout } from './capabilities.ts';
import type { FieldSet } from './declaration.ts';
import { type CodeTerms, codePlace } from './placed-register.ts';
import { type Surgery, shapeOf } from './surgery.ts';
import { type CompiledSpace, type Conflict, TableBuilder, type TableState, type Unhandled } from './table.ts';

export type { CompiledSpace, Conflict, PlacedClaim, SavedTable, StateLayout, TableState, Unhandled } from './table.ts';
export { carryState, HOST_WORDS, nameOf, stateArrays, stateBytes, stateOfTable } from './table.ts';

/** Something that shapes a device's config space, with the name of the plugin or quirk that brings it. */
export type Contribution =
  | { readonly owner: string; readonly set: FieldSet }
  | { readonly owner: string; readonly surgery: Surgery };

export interface CompileOptions extends CodeTerms {
  readonly unhandled: Unhandled;
  /** Told about sets that were left out: outside of config space, or over bits that an earlier set has (`conflict`). */
  readonly skipped: (set: string, why: string, conflict?: Conflict) => void;
  /** State of the table that this one replaces under a running guest, which goes on. */
  readonly previous?: TableState;
  /** Memory for what a guest's accesses change. Missing: it ends with the process. */
  readonly allocate?: (bytes: number) => KeptMemory;
}

const unkept = (bytes: number): KeptMemory => ({ memory: new SharedArrayBuffer(bytes), at: -1 });

/** Owner of the registers that make the capability lists. */
const LISTS = 'capability list';

/** Where the set lies in this device; `undefined` when the device has no such place. */
const anchorOf = ({ anchor }: FieldSet, device: DeviceOperations, lists: CapabilityLists): number | undefined => {
  if (anchor.kind === 'header') {
    return (anchor.types as readonly number[]).includes(device.hardware.identity.headerType) ? 0 : undefined;
  }
  const list = anchor.kind === 'capability' ? lists.standard : lists.extended;
  return list.find((one) => one.id === anchor.id)?.offset;
};

/** Where a set has no room its condition may look for what is not there either. */
const isThere = ({ when }: FieldSet, hardware: PciFunction, base: number, reachesOut: boolean): boolean | undefined => {
  try {
    return when?.(hardware, base);
  } catch (error) {
    if (reachesOut && error instanceof HostError) return true;
    throw error;
  }
};

/**
 * Merges all contributions into the table of one device.
 *
 * Behaviours are attached (they may read and write the device). A set that lies outside of config space in this device,
 * or over bits that an earlier set owns in it (a malformed capability list, D-C3; a quirk over a capability), is left
 * out and reported. Overlaps that no device is needed for are refused before, when plugins are loaded.
 *
 * @throws HostError when the device does not answer
 * @throws PcibackError `PLUGIN_FAULT` when `attach`, `when` or `shown` of a contribution fails
 */
export const compileSpace = (
  device: DeviceOperations,
  contributions: readonly Contribution[],
  options: CompileOptions,
): CompiledSpace => {
  const { hardware } = device;
  const surgeries = contributions.flatMap((one) => ('surgery' in one ? [one.surgery] : []));
  const shape = shapeOf(hardware, hardware.identity.configSize, device.lists, surgeries);
  const builder = new TableBuilder(device, shape.size, { wall: options.wall, guest: options.guest });

  for (const register of shape.registers) {
    const found = builder.conflict([register], 0);
    if (found === undefined) builder.place(`${LISTS} / ${register.name}`, register, 0);
    else options.skipped(`${LISTS} / ${register.name}`, `0x${hex(register.offset, 2)} belongs to ${found.other.owner}`);
  }
  for (const contribution of contributions) {
    if (!('set' in contribution)) continue;
    const { owner, set } = contribution;
    const base = anchorOf(set, device, shape.lists);
    const named = `${owner}: ${set.name}`;
    if (base === undefined) continue;
    // A list that is not sound (D-C3) leads to places where the set has no room.
    const room = set.anchor.kind === 'capability' ? Math.min(shape.size, ListLayout.extended) : shape.size;
    const end = set.registers.reduce((most, one) => Math.max(most, base + one.offset + one.width / 8), 0);
    if (set.when !== undefined) {
      const place = codePlace(named, 'when', { device: hardware.identity.bdf, guest: options.guest, offset: base });
      if (!options.wall.run(place, () => isThere(set, hardware, base, end > room), booleanShape)) continue;
    }
    if (end > room) {
      options.skipped(named, `it ends at 0x${hex(end, 3)}, its part of config space at 0x${hex(room, 3)}`);
      continue;
    }
    const found = builder.conflict(set.registers, base, set.instead);
    if (found) {
      if (set.yields === true) continue;
      const place = `bits 0x${hex(found.bits, 8)} at 0x${hex(found.other.dword, 2)}`;
      options.skipped(`${named} / ${found.register.name}`, `${place} belong to ${found.other.owner}`, found);
      continue;
    }
    for (const register of set.registers) builder.place(`${named} / ${register.name}`, register, base, set.instead);
  }
  return builder.finish(options.unhandled, options.previous, options.allocate ?? unkept);
};

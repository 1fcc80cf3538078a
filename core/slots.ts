// SPDX-License-Identifier: MIT

import type { Bdf } from './bdf.ts';
import type { PciIdentity } from './platform/pci.ts';

/** What a slot map needs to know about a device it places. */
export interface Placeable {
  readonly identity: PciIdentity;
  /** Bridges above the function, nearest first. */
  readonly bridges: readonly Bdf[];
}

/** A virtual bus that the guest has to scan. */
export interface Root {
  readonly segment: number;
  readonly bus: number;
}

/**
 * Which virtual address each device of one guest has.
 *
 * Obligations: `add` either places the device or throws and changes nothing; `lookup` is on the way of every request,
 * so it allocates nothing and throws never, whatever numbers it is given; `lookup` answers only for addresses that
 * `add` returned; `remove` of a device that is not there does nothing.
 */
export interface SlotMap<Device extends Placeable> {
  /**
   * Places a device.
   *
   * @param wanted the virtual device and function number that the toolstack asked for, honoured when it is free
   * @returns the virtual address
   * @throws PcibackError `SLOT_FULL`, `SLOT_BRIDGE`, `SLOT_DUPLICATE`
   */
  add(device: Device, wanted?: number): Bdf;
  /** Takes a device out; does nothing when it is not there. */
  remove(device: Device): void;
  /** The three numbers are the guest's, range-checked: segment 0..65535, bus 0..255, devfn 0..255. */
  lookup(segment: number, bus: number, devfn: number): Device | undefined;
  /** The virtual address of a device; `undefined` when it is not in the map. */
  find(device: Device): Bdf | undefined;
  /** The buses to announce for the devices placed now, without duplicates, in order of placing. */
  roots(): Root[];
}

/** Makes the slot map of one guest. Chosen by name in the rc file. */
export interface SlotMapper {
  create<Device extends Placeable>(domain: number): SlotMap<Device>;
}

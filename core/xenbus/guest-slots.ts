// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../bdf.ts';
import type { Owned } from '../hooks/index.ts';
import type { Root, SlotMap, SlotMapper } from '../slots.ts';
import type { SeizedDevice, Tenant } from '../stub/index.ts';
import { type Place, type Shape, type Wall, withMethods } from '../wall/wall.ts';

const mapShape = withMethods('a slot map', ['add', 'remove', 'lookup', 'find', 'roots']);

const isUpTo = (value: unknown, most: number): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most;

const addressShape: Shape = { expected: 'a virtual address', fits: (answer) => isUpTo(answer, 0xffff_ffff) };

const rootsShape: Shape = {
  expected: 'a list of { segment, bus }',
  fits: (answer) =>
    Array.isArray(answer) &&
    answer.every((one: Partial<Root> | null) => isUpTo(one?.segment, 0xffff) && isUpTo(one?.bus, 0xff)),
};

const noDevice: Shape = { expected: 'a device that is in the map, or undefined', fits: () => false };

/**
 * The slot map of one guest, which a plugin's mapper makes and keeps. Whatever the mapper does, a device that was removed,
 * or that another guest has, is not found here.
 */
export class GuestSlots implements SlotMap<SeizedDevice> {
  readonly #wall: Wall;
  readonly #mapper: Owned<SlotMapper>;
  readonly #tenant: Tenant;
  readonly #addresses = new Map<SeizedDevice, Bdf>();
  #made: SlotMap<SeizedDevice> | undefined;

  constructor(wall: Wall, mapper: Owned<SlotMapper>, tenant: Tenant) {
    this.#wall = wall;
    this.#mapper = mapper;
    this.#tenant = tenant;
  }

  #place(method: string, device?: SeizedDevice): Place {
    const { plugin, name } = this.#mapper;
    return {
      plugin,
      what: `${method} of slot mapper ${name}`,
      device: device?.bdf,
      guest: this.#tenant.domain,
      refusals: ['SLOT_FULL', 'SLOT_BRIDGE', 'SLOT_DUPLICATE'],
    };
  }

  /** Made when the first device comes, so that a mapper that makes none refuses devices, one by one. */
  #map(): SlotMap<SeizedDevice> {
    const { thing } = this.#mapper;
    this.#made ??= this.#wall.run(
      this.#place('create'),
      () => thing.create<SeizedDevice>(this.#tenant.domain),
      mapShape,
    );
    return this.#made;
  }

  /** @throws PcibackError `SLOT_FULL`, `SLOT_BRIDGE`, `SLOT_DUPLICATE`, `PLUGIN_FAULT` */
  add(device: SeizedDevice, wanted?: number): Bdf {
    const map = this.#map();
    const add = (): Bdf => (wanted === undefined ? map.add(device) : map.add(device, wanted));
    const place = this.#place('add', device);
    const address = this.#wall.run(place, add, addressShape);
    if ([...this.#addresses.values()].includes(address)) {
      this.remove(device);
      throw this.#wall.fault(place, new Error(`it gives the address ${formatBdf(address)} a second time`));
    }
    this.#addresses.set(device, address);
    return address;
  }

  /** Never throws: {@link lookup} finds only devices that are there, whatever the mapper still knows. */
  remove(device: SeizedDevice): void {
    this.#addresses.delete(device);
    const map = this.#made;
    if (map !== undefined) this.#wall.tell(this.#place('remove', device), () => map.remove(device));
  }

  /** On the way of every request. @throws PcibackError `PLUGIN_FAULT` */
  lookup(segment: number, bus: number, devfn: number): SeizedDevice | undefined {
    if (this.#made === undefined) return undefined;
    let found: SeizedDevice | undefined;
    try {
      found = this.#made.lookup(segment, bus, devfn);
    } catch (error) {
      throw this.#wall.fault(this.#place('lookup'), error);
    }
    if (found === undefined || found?.assignment?.tenant === this.#tenant) return found;
    return this.#wall.run(this.#place('lookup'), () => found, noDevice);
  }

  find(device: SeizedDevice): Bdf | undefined {
    return this.#addresses.get(device);
  }

  /** @throws PcibackError `PLUGIN_FAULT` */
  roots(): Root[] {
    const map = this.#map();
    return this.#wall.run(this.#place('roots'), () => map.roots(), rootsShape);
  }
}

// SPDX-License-Identifier: MIT

import {
  type Bdf,
  bdf,
  definePlugin,
  fail,
  formatBdf,
  functionOf,
  hex,
  type Placeable,
  type Root,
  type SlotMap,
  type SlotMapper,
} from '../../core/plugin/index.ts';
import { isBridge } from '../bridges.ts';

const SLOTS = 32;

/** A virtual function with function number 0: keeps a slot for itself, because it is not the start of a device. */
const standsAlone = ({ identity }: Placeable): boolean => identity.virtualFunction && functionOf(identity.bdf) === 0;

/** Whether two functions have the same segment, bus and device number. */
const sameDevice = (one: Placeable, other: Placeable): boolean => one.identity.bdf >>> 3 === other.identity.bdf >>> 3;

class VirtualBus<Device extends Placeable> implements SlotMap<Device> {
  readonly #domain: number;
  /** By virtual device and function number. */
  readonly #places: (Device | undefined)[] = new Array<Device | undefined>(SLOTS * 8).fill(undefined);
  /** Devices of each slot in order of adding: the first one says who may join. */
  readonly #slots: Device[][] = Array.from({ length: SLOTS }, () => []);
  /** Virtual device and function number by real address. */
  readonly #virtual = new Map<Bdf, number>();

  constructor(domain: number) {
    this.#domain = domain;
  }

  add(device: Device, wanted?: number): Bdf {
    const { identity } = device;
    if (isBridge(identity)) {
      fail('SLOT_BRIDGE', { bdf: formatBdf(identity.bdf), class: hex(identity.class, 6) });
    }
    if (this.#virtual.has(identity.bdf)) {
      fail('SLOT_DUPLICATE', { bdf: formatBdf(identity.bdf), guest: this.#domain });
    }
    const slot = this.#slotFor(device, wanted);
    if (slot < 0) return fail('SLOT_FULL', { bdf: formatBdf(identity.bdf), mapper: 'vpci' });
    const devfn = (slot << 3) | functionOf(identity.bdf);
    this.#slots[slot]?.push(device);
    this.#places[devfn] = device;
    this.#virtual.set(identity.bdf, devfn);
    return bdf(0, 0, devfn);
  }

  remove(device: Device): void {
    const devfn = this.#virtual.get(device.identity.bdf);
    if (devfn === undefined) return;
    const slot = devfn >> 3;
    this.#slots[slot] = (this.#slots[slot] ?? []).filter(({ identity }) => identity.bdf !== device.identity.bdf);
    this.#places[devfn] = undefined;
    this.#virtual.delete(device.identity.bdf);
  }

  lookup(segment: number, bus: number, devfn: number): Device | undefined {
    return segment === 0 && bus === 0 && devfn >= 0 && devfn < SLOTS * 8 ? this.#places[devfn] : undefined;
  }

  find(device: Device): Bdf | undefined {
    const devfn = this.#virtual.get(device.identity.bdf);
    return devfn === undefined ? undefined : bdf(0, 0, devfn);
  }

  roots(): Root[] {
    return [{ segment: 0, bus: 0 }];
  }

  #slotFor(device: Device, wanted: number | undefined): number {
    if (wanted !== undefined && this.#honours(device, wanted)) return wanted >> 3;
    const joined = this.#slots.findIndex((slot) => slot.length > 0 && this.#accepts(slot, device));
    return joined >= 0 ? joined : this.#slots.findIndex((slot) => slot.length === 0);
  }

  /** A wish counts when its slot is empty or holds the same device; the function number is always the device's own. */
  #honours(device: Device, wanted: number): boolean {
    if (!Number.isInteger(wanted) || wanted < 0 || wanted >= SLOTS * 8) return false;
    const slot = this.#slots[wanted >> 3] ?? [];
    return slot.length === 0 || this.#accepts(slot, device);
  }

  #accepts(slot: readonly Device[], device: Device): boolean {
    const first = slot[0];
    return first !== undefined && !standsAlone(device) && !standsAlone(first) && sameDevice(first, device);
  }
}

/**
 * One virtual bus 0000:00 with 32 slots. The functions of one device stay together in one slot and keep their function
 * numbers; a virtual function with number 0 has a slot of its own.
 */
export const vpci: SlotMapper = {
  create: <Device extends Placeable>(domain: number) => new VirtualBus<Device>(domain),
};

export default definePlugin({
  name: 'slots/vpci',
  api: '^1.0',
  apply: (host) => {
    host.slots.add('vpci', vpci);
  },
});

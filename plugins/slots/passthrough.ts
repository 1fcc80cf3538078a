// SPDX-License-Identifier: MIT

import {
  type Bdf,
  definePlugin,
  fail,
  formatBdf,
  hex,
  type Placeable,
  type Root,
  type SlotMap,
  type SlotMapper,
} from '../../core/plugin/index.ts';
import { isBridge } from '../bridges.ts';

class RealAddresses<Device extends Placeable> implements SlotMap<Device> {
  readonly #domain: number;
  /** In order of adding; the key is the address as a signed number, which needs no allocation to compute. */
  readonly #devices = new Map<number, Device>();

  constructor(domain: number) {
    this.#domain = domain;
  }

  add(device: Device): Bdf {
    const { identity } = device;
    if (isBridge(identity)) {
      fail('SLOT_BRIDGE', { bdf: formatBdf(identity.bdf), class: hex(identity.class, 6) });
    }
    if (this.#devices.has(identity.bdf | 0)) {
      fail('SLOT_DUPLICATE', { bdf: formatBdf(identity.bdf), guest: this.#domain });
    }
    this.#devices.set(identity.bdf | 0, device);
    return identity.bdf;
  }

  remove(device: Device): void {
    this.#devices.delete(device.identity.bdf | 0);
  }

  lookup(segment: number, bus: number, devfn: number): Device | undefined {
    if ((segment & 0xffff) !== segment || (bus & 0xff) !== bus || (devfn & 0xff) !== devfn) return undefined;
    return this.#devices.get((segment << 16) | (bus << 8) | devfn);
  }

  find(device: Device): Bdf | undefined {
    return this.#devices.has(device.identity.bdf | 0) ? device.identity.bdf : undefined;
  }

  /** The bus of each device that is not below another device of the list: that one's bus is scanned through it. */
  roots(): Root[] {
    const buses = new Set<number>();
    for (const { identity, bridges } of this.#devices.values()) {
      if (!bridges.some((bridge) => this.#devices.has(bridge | 0))) buses.add(identity.bdf >>> 8);
    }
    return [...buses].map((bus) => ({ segment: bus >>> 8, bus: bus & 0xff }));
  }
}

/** Every device keeps its real address. The toolstack's wish for a virtual slot has no meaning here. */
export const passthrough: SlotMapper = {
  create: <Device extends Placeable>(domain: number) => new RealAddresses<Device>(domain),
};

export default definePlugin({
  name: 'slots/passthrough',
  api: '^1.0',
  apply: (host) => {
    host.slots.add('passthrough', passthrough);
  },
});

// SPDX-License-Identifier: MIT

import {
  type Bdf,
  bdf,
  definePlugin,
  fail,
  formatBdf,
  functionOf,
  type Placeable,
  type Root,
  type SlotMap,
  type SlotMapper,
} from 'pciback/plugin';

const SLOTS = 32;
const FUNCTIONS = [0, 1, 2, 3, 4, 5, 6, 7];

/** One virtual bus, filled from its end: the first device of a guest gets slot 31, the next one 30. */
class Places<Device extends Placeable> implements SlotMap<Device> {
  readonly #domain: number;
  readonly #devices = new Map<number, Device>();

  constructor(domain: number) {
    this.#domain = domain;
  }

  add(device: Device, wanted?: number): Bdf {
    const { bdf: real } = device.identity;
    if (this.find(device) !== undefined) fail('SLOT_DUPLICATE', { bdf: formatBdf(real), guest: this.#domain });
    const devfn = wanted !== undefined && !this.#devices.has(wanted) ? wanted : this.#freePlace(real);
    this.#devices.set(devfn, device);
    return bdf(0, 0, devfn);
  }

  remove(device: Device): void {
    const at = this.find(device);
    if (at !== undefined) this.#devices.delete(at);
  }

  lookup(segment: number, bus: number, devfn: number): Device | undefined {
    return segment === 0 && bus === 0 ? this.#devices.get(devfn) : undefined;
  }

  find(device: Device): Bdf | undefined {
    const found = [...this.#devices].find(([, one]) => one.identity.bdf === device.identity.bdf);
    return found === undefined ? undefined : bdf(0, 0, found[0]);
  }

  roots(): Root[] {
    return this.#devices.size === 0 ? [] : [{ segment: 0, bus: 0 }];
  }

  #freePlace(real: Bdf): number {
    for (let slot = SLOTS - 1; slot >= 0; slot -= 1) {
      if (!FUNCTIONS.some((one) => this.#devices.has(slot * 8 + one))) return slot * 8 + functionOf(real);
    }
    return fail('SLOT_FULL', { bdf: formatBdf(real), mapper: 'thing' });
  }
}

const mapper: SlotMapper = {
  create: <Device extends Placeable>(domain: number) => new Places<Device>(domain),
};

export default definePlugin({
  name: 'pciback-acme-thing',
  version: '0.1.0',
  api: '^1.1',
  apply: (host) => {
    host.slots.add('thing', mapper);
  },
});

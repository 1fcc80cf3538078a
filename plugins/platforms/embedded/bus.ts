// SPDX-License-Identifier: MIT

import { type Bdf, busOf, formatBdf, segmentOf } from '../../../core/bdf.ts';
import { fail } from '../../../core/errors/index.ts';
import {
  Errno,
  HostError,
  type PciBus,
  type PciFunction,
  type PciIdentity,
  type PciListing,
  type PciResource,
  type ResetOutcome,
} from '../../../core/platform/index.ts';
import { CommandBit } from './behaviour.ts';
import { type ModelEvents, PciModel } from './device.ts';
import type { DeviceImage } from './image.ts';

/** The bus of the embedded platform: the obligations of {@link PciBus}, and the models behind it. */
export interface EmbeddedBus extends PciBus {
  /** The model of a function, for fault injection and for looking at what reached the hardware. */
  model(address: Bdf): PciModel;
  models(): readonly PciModel[];
  /** Whether pciback holds the function now. */
  isSeized(address: Bdf): boolean;
}

/** A seized function; after the release every access is refused, so that a stale reference shows. */
class HeldFunction implements PciFunction {
  readonly identity: PciIdentity;
  readonly resources: readonly PciResource[];
  readonly line: number;
  readonly physical?: Pick<PciFunction, 'readConfig'>;
  readonly #model: PciModel;
  readonly #illegal: (line: string) => void;
  #held = true;

  constructor(model: PciModel, illegal: (line: string) => void) {
    this.#model = model;
    this.#illegal = illegal;
    this.identity = model.identity;
    this.resources = model.resources;
    this.line = model.line;
    // A dump may have a virtual function without its physical one; that one is then taken to decode.
    if (model.identity.virtualFunction) this.physical = model.physical ?? { readConfig: () => CommandBit.memory };
  }

  letGo(): boolean {
    const held = this.#held;
    this.#held = false;
    return held;
  }

  readConfig(offset: number, size: 1 | 2 | 4): number {
    if (!this.#held) this.#stale('config read');
    return this.#model.readConfig(offset, size);
  }

  writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    if (!this.#held) this.#stale('config write');
    this.#model.writeConfig(offset, size, value);
  }

  async reset(): Promise<ResetOutcome> {
    if (!this.#held) this.#stale('reset');
    return this.#model.reset();
  }

  #stale(call: string): never {
    this.#illegal(`${call} of ${formatBdf(this.identity.bdf)} after its release`);
    throw new HostError(call, Errno.ENODEV, `${formatBdf(this.identity.bdf)} was released`);
  }
}

/**
 * Makes the bus.
 *
 * Bridges are found by their bus number registers as the image has them, so a dump with its bridges keeps its tree.
 */
export const createBus = (images: readonly DeviceImage[], events: ModelEvents): EmbeddedBus => {
  const models = new Map<Bdf, PciModel>();
  for (const image of images) {
    if (models.has(image.bdf)) {
      fail('CONFIG_INVALID', {
        file: image.source,
        key: formatBdf(image.bdf),
        why: `the address is used twice, also by ${models.get(image.bdf)?.image.source}`,
        nearest: undefined,
      });
    }
    models.set(image.bdf, new PciModel(image, events));
  }
  for (const model of models.values()) {
    const parent = model.image.physicalFunction;
    model.physical = parent === undefined ? undefined : models.get(parent);
  }
  const bridges = [...models.values()].filter((model) => model.identity.headerType === 1);
  const held = new Map<Bdf, HeldFunction>();

  const find = (address: Bdf): PciModel =>
    models.get(address) ?? fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: 'embedded' });

  const holderOf = (model: PciModel): string => (held.has(model.bdf) ? 'pciback' : (model.image.holder ?? 'free'));

  const parentOf = (address: Bdf): PciModel | undefined =>
    bridges.find(({ bdf, image }) => image.config[0x19] === busOf(address) && segmentOf(bdf) === segmentOf(address));

  return {
    list: async () =>
      [...models.values()].map((model): PciListing => {
        const { bdf, vendor, device, class: code } = model.identity;
        const holder = holderOf(model);
        return { bdf, vendor, device, class: code, holder, seizable: holder === 'free' };
      }),
    bridgesAbove: async (address) => {
      const chain: Bdf[] = [];
      for (let above = parentOf(address); above && !chain.includes(above.bdf); above = parentOf(above.bdf)) {
        chain.push(above.bdf);
      }
      return chain;
    },
    seize: async (address) => {
      const model = find(address);
      const holder = holderOf(model);
      if (model.identity.headerType > 1) {
        fail('DEVICE_HEADER', { bdf: formatBdf(address), headerType: model.identity.headerType });
      }
      if (holder !== 'free') {
        fail('DEVICE_NOT_SEIZABLE', {
          bdf: formatBdf(address),
          holder,
          next:
            holder === 'pciback'
              ? 'It is seized already; release it first.'
              : `Unbind it from ${holder} first: echo ${formatBdf(address)} > /sys/bus/pci/drivers/${holder}/unbind`,
        });
      }
      const fn = new HeldFunction(model, events.illegal);
      held.set(address, fn);
      events.note(`seize ${formatBdf(address)}`);
      return fn;
    },
    release: async (device) => {
      const address = device.identity.bdf;
      const fn = held.get(address);
      if (!fn || fn !== device || !fn.letGo()) {
        events.illegal(`release of ${formatBdf(address)}, which is not held by this reference`);
        return;
      }
      held.delete(address);
      events.note(`release ${formatBdf(address)}`);
    },
    model: find,
    models: () => [...models.values()],
    isSeized: (address) => held.has(address),
  };
};

// SPDX-License-Identifier: MIT

import { type Bdf, busOf, formatBdf, segmentOf } from '../../../core/bdf.ts';
import {
  Errno,
  HostError,
  type PciFunction,
  type PciIdentity,
  type PciListing,
  type PciResource,
  type ResetOutcome,
} from '../../../core/platform/index.ts';
import { fail } from '../../errors.ts';
import { serialInBytes } from '../../function-facts.ts';
import type { BusWithDetails, BusWithHoldings } from '../../kinds/platform.ts';
import { CommandBit } from './behaviour.ts';
import { type ModelEvents, PciModel } from './device.ts';
import type { DeviceImage } from './image.ts';

/** The bus of the embedded platform: the obligations of {@link BusWithDetails}, and the models behind it. */
export interface EmbeddedBus extends BusWithDetails, BusWithHoldings {
  /** The model of a function, for fault injection and for looking at what reached the hardware. */
  model(address: Bdf): PciModel;
  models(): readonly PciModel[];
  /** Whether pciback holds the function now. */
  isSeized(address: Bdf): boolean;
  /** The host takes a function for a driver of its own, from pciback too; `undefined`: its driver lets it go. */
  takeFor(address: Bdf, driver: string | undefined): void;
  /**
   * The driver of a physical function goes: the host takes its virtual functions away first, and they are not there until {@link enableVirtual}.
   */
  disableVirtual(physical: Bdf): void;
  enableVirtual(physical: Bdf): void;
  /** Makes every call to the host last as long as this, as a slow sysfs does; `undefined`: no more. */
  delay: ((call: string) => Promise<void>) | undefined;
  /** The process that held functions has died: another one may hold them. */
  abandon(): void;
}

/** A seized function; after the release every access is refused, so that a stale reference shows. */
class HeldFunction implements PciFunction {
  readonly identity: PciIdentity;
  resources: readonly PciResource[];
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

  lookAgain(): void {
    this.resources = this.#model.resources;
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

  async resetMethods(): Promise<readonly string[]> {
    return this.#model.resetMethods();
  }

  async reset(without: readonly string[] = []): Promise<ResetOutcome> {
    if (!this.#held) this.#stale('reset');
    return this.#model.reset(without);
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
  /** Drivers of the host by the function that they have. */
  const drivers = new Map<Bdf, string>();
  for (const { bdf, image } of models.values()) if (image.holder !== undefined) drivers.set(bdf, image.holder);
  /** How often the host took a function. */
  const takings = new Map<Bdf, number>();
  /** Virtual functions that are switched off. */
  const off = new Set<Bdf>();
  let delay: EmbeddedBus['delay'];

  const find = (address: Bdf): PciModel =>
    (off.has(address) ? undefined : models.get(address)) ??
    fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: 'embedded' });

  const holderOf = (model: PciModel): string => (held.has(model.bdf) ? 'pciback' : (drivers.get(model.bdf) ?? 'free'));

  const virtualOf = (physical: Bdf): Bdf[] =>
    [...models.values()].filter(({ image }) => image.physicalFunction === physical).map(({ bdf }) => bdf);

  const takeAway = (address: Bdf): void => {
    held.get(address)?.letGo();
    held.delete(address);
    takings.set(address, (takings.get(address) ?? 0) + 1);
  };

  const parentOf = (address: Bdf): PciModel | undefined =>
    bridges.find(({ bdf, image }) => image.config[0x19] === busOf(address) && segmentOf(bdf) === segmentOf(address));

  return {
    list: async () => {
      await delay?.('list');
      return [...models.values()]
        .filter(({ bdf }) => !off.has(bdf))
        .map((model): PciListing => {
          const { bdf, vendor, device, class: code } = model.identity;
          const holder = holderOf(model);
          return { bdf, vendor, device, class: code, holder, seizable: holder === 'free' };
        });
    },
    detailsOf: async (address) => {
      const { identity, resources, image } = find(address);
      const { subsystemVendor, subsystemDevice } = identity;
      const serial = serialInBytes(image.config);
      return { subsystemVendor, subsystemDevice, resources, ...(serial === undefined ? {} : { serial }) };
    },
    bridgesAbove: async (address) => {
      const chain: Bdf[] = [];
      for (let above = parentOf(address); above && !chain.includes(above.bdf); above = parentOf(above.bdf)) {
        chain.push(above.bdf);
      }
      return chain;
    },
    seize: async (address) => {
      await delay?.('seize');
      const model = find(address);
      const holder = holderOf(model);
      if (model.isSilent) fail('DEVICE_SILENT', { bdf: formatBdf(address) });
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
    stillHolds: async (device) => {
      await delay?.('stillHolds');
      const fn = held.get(device.identity.bdf);
      if (fn !== device) return false;
      fn.lookAgain();
      return true;
    },
    holdingOf: async (address) => String(takings.get(address) ?? 0),
    release: async (device) => {
      await delay?.('release');
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
    models: () => [...models.values()].filter(({ bdf }) => !off.has(bdf)),
    isSeized: (address) => held.has(address),
    takeFor: (address, driver) => {
      takeAway(find(address).bdf);
      if (driver === undefined) drivers.delete(address);
      else drivers.set(address, driver);
      events.note(`driver ${formatBdf(address)} ${driver ?? 'none'}`);
    },
    disableVirtual: (physical) => {
      for (const one of virtualOf(physical).filter((address) => !off.has(address))) {
        takeAway(one);
        off.add(one);
        events.note(`remove ${formatBdf(one)}`);
      }
    },
    enableVirtual: (physical) => {
      for (const one of virtualOf(physical)) off.delete(one);
    },
    get delay() {
      return delay;
    },
    set delay(work) {
      delay = work;
    },
    abandon: () => held.clear(),
  };
};

// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import { type Bdf, formatBdf, parseBdf } from '../../core/bdf.ts';
import type { ChangeEffect } from '../../core/changes.ts';
import type { GuestDeviceConfig } from '../../core/config.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import type { DeviceFacts, GuestFacts } from '../../core/facts.ts';
import type { Records } from '../../core/journal.ts';
import type { Engine } from '../../core/pciback.ts';
import type { Assignment, SeizedDevice, Tenant } from '../../core/stub/index.ts';
import { parseBdfPattern } from '../device-pattern.ts';
import { fail } from '../errors.ts';
import type { SwitchRecord, SwitchSource } from '../journal-offers.ts';
import type { Config } from '../kinds/config.ts';
import { type HolderSwitches, switchesOfHolder } from '../kinds/platform.ts';

export type SwitchKey = keyof GuestDeviceConfig;

/** What switches work with. */
export interface SwitchTerms {
  readonly engine: Engine;
  readonly config: Config;
  /** By address, as `formatBdf` writes it. */
  readonly records: Records<SwitchRecord>;
}

/** How a switch of one device is. */
export interface SwitchState {
  /** For the guest that has the device, else for the next one. */
  readonly on: boolean;
  /** Who says so; missing: nobody. */
  readonly from?: SwitchSource | 'rc file' | 'plugin';
}

/** Milliseconds that the store and the host may take for what they say of a device, before the guest is given it without. */
const SOON_MS = 500;

/** Entries that the directory of a back end is believed to have. */
const MOST_ENTRIES = 1024;

/** States of an entry whose device the guest has had: closing, closed. */
const GONE: ReadonlySet<string> = new Set(['5', '6']);

const nothing: HolderSwitches = { permissive: false, allowInterruptControl: false };

const isInForce = (key: SwitchKey, { operations }: SeizedDevice, { rules }: Assignment): boolean =>
  key === 'permissive' ? rules.unhandled === 'permissive' : operations.allowInterruptControl;

/** Names in a node that the toolstack wrote: `msitranslate=0,power_mgmt=0,permissive=1`. */
const asksForPermissive = (options: string | undefined): boolean =>
  options?.split(',').some((one) => one.trim() === 'permissive=1') === true;

const isAddress = (text: string | undefined, address: Bdf): boolean => {
  try {
    return text !== undefined && parseBdf(text) === address;
  } catch (error) {
    if (isPcibackError(error)) return false;
    throw error;
  }
};

/**
 * Two keys of the rc file that are switched on for one device at run time: by an operator, by the toolstack's word for a
 * guest (`permissive=1`), or by the kernel module that holds the device. Each is gone with the guest (S-4, D-C5). Where the rc
 * file has the key for this guest and device, it decides.
 */
export class Switches {
  readonly #terms: SwitchTerms;

  constructor(terms: SwitchTerms) {
    this.#terms = terms;
  }

  /** For `Engine.switched`. */
  readonly isOn = (key: SwitchKey, { bdf }: SeizedDevice, { domain }: Tenant): boolean => {
    const record = this.#terms.records.get(formatBdf(bdf));
    return record?.[key] !== undefined && (record.guest ?? domain) === domain;
  };

  state(key: SwitchKey, device: SeizedDevice): SwitchState {
    const { config, records } = this.#terms;
    const { assignment } = device;
    const bdf = formatBdf(device.bdf);
    const asked = records.get(bdf)?.[key];
    const own = assignment && config.guests[assignment.tenant.name]?.devices[bdf]?.[key];
    const listed = own ?? config[key].some((pattern) => pattern.matches(device.bdf));
    const on = assignment === undefined ? listed || asked !== undefined : isInForce(key, device, assignment);
    return on ? { on, from: asked ?? (listed ? 'rc file' : 'plugin') } : { on };
  }

  /**
   * Switches a key on or off: for the guest that has the device, from its next request on, or for the next one.
   *
   * @param name of the attribute, for messages
   * @param text the address of a device
   * @throws PcibackError `BDF_SYNTAX`, `BDF_RANGE`, `DEVICE_NOT_SEIZED`; `ATTRIBUTE_REFUSED` when somebody else decides, or the
   * device does not answer. Then all is as before
   */
  async set(name: string, key: SwitchKey, text: string, value: 'on' | 'off'): Promise<ChangeEffect> {
    const { engine, records } = this.#terms;
    const address = await this.#heldAddress(text);
    const bdf = formatBdf(address);
    const device = engine.stub.devices.find((one) => one.bdf === address);
    const change = (): ChangeEffect => {
      const assignment = device?.assignment;
      const before = records.get(bdf);
      records.merge(bdf, { [key]: value === 'on' ? 'command' : undefined, guest: assignment?.tenant.domain });
      const effect = this.#putInForce();
      if (device === undefined || assignment === undefined || assignment.isBusy) return effect;
      const failure = effect.failures.find((one) => one.bdf === bdf)?.why;
      if (failure === undefined && isInForce(key, device, assignment) === (value === 'on')) return effect;
      records.merge(bdf, { [key]: before?.[key], guest: before?.guest });
      this.#putInForce();
      const why = `${bdf} stays as it is: ${failure ?? this.#whoDecides(key, device, assignment)}`;
      const next = 'Change it there: the key for this guest and device in the rc file, then `pciback reload`.';
      return fail('ATTRIBUTE_REFUSED', {
        attribute: name,
        errno: failure === undefined ? 'EPERM' : 'EIO',
        why,
        next: failure === undefined ? next : 'Reset the device or its guest, then try again.',
      });
    };
    return device === undefined ? change() : device.lock.run(async () => change());
  }

  /** A function that is seized, or that the host holds for us. */
  async #heldAddress(text: string): Promise<Bdf> {
    const { platform, stub } = this.#terms.engine;
    // A pattern is understood and names no device.
    if (text.includes('*')) fail('DEVICE_NOT_SEIZED', { bdf: parseBdfPattern(text).text });
    const address = parseBdf(text);
    if (stub.devices.some((one) => one.bdf === address)) return address;
    const listed = (await platform.pci.list()).find((one) => one.bdf === address);
    return listed?.holder === 'seizable' ? address : fail('DEVICE_NOT_SEIZED', { bdf: formatBdf(address) });
  }

  #putInForce(): ChangeEffect {
    return this.#terms.engine.stub.prepareChange({ what: 'unloaded', kind: 'plugin', name: 'switches' }).commit();
  }

  #whoDecides(key: SwitchKey, { bdf }: SeizedDevice, { tenant }: Assignment): string {
    const { config, engine } = this.#terms;
    const own = config.guests[tenant.name]?.devices[formatBdf(bdf)]?.[key];
    if (own !== undefined) return `the rc file says ${key}: ${own} for it and guest "${tenant.name}"`;
    if (config[key].some((pattern) => pattern.matches(bdf))) return `it is in the list ${key} of the rc file`;
    const taps = engine.plugins.hooks.point('unhandledWrite').entries.map(({ plugin }) => plugin);
    return `a plugin decides it, of those that tap unhandledWrite: ${taps.join(', ')}`;
  }

  /**
   * A guest gets a device: what the toolstack and the holder of the device say of it is looked up and put in force. A store that stands
   * still keeps nobody: before it has answered, nothing is announced to the guest either.
   */
  async assigned({ bdf: address }: DeviceFacts, guest: GuestFacts): Promise<void> {
    const { engine } = this.#terms;
    const device = engine.stub.devices.find((one) => one.bdf === address);
    const assignment = device?.assignment;
    if (device === undefined || assignment === undefined) return;
    const looked = this.#lookUp(device, assignment).then((said) => {
      if (device.assignment === assignment) this.#apply(device, assignment, guest, said);
    });
    const isLate = await Promise.race([looked.then(() => false), pause(SOON_MS, true, { ref: false })]);
    if (!isLate) return;
    looked.catch((error: unknown) => {
      assignment.tenant.budget.log.error(
        { bdf: formatBdf(address), error: describeError(error) },
        'switches not looked up',
      );
    });
  }

  /** What the toolstack and the holder say. */
  async #lookUp(device: SeizedDevice, { tenant }: Assignment): Promise<{ asked: boolean; held: HolderSwitches }> {
    const { engine } = this.#terms;
    try {
      const asked = await this.#isAskedFor(device.bdf, engine.guestOf(device)?.directory);
      return { asked, held: (await switchesOfHolder(engine.platform, device.bdf)) ?? nothing };
    } catch (error) {
      // The guest gets less than it was to get, not the device of another one.
      const facts = { bdf: formatBdf(device.bdf), why: describeError(error) };
      tenant.budget.log.warn(facts, 'what the toolstack says of the device cannot be read');
      return { asked: false, held: nothing };
    }
  }

  #apply(
    device: SeizedDevice,
    assignment: Assignment,
    guest: GuestFacts,
    { asked, held }: { readonly asked: boolean; readonly held: HolderSwitches },
  ): void {
    const { records } = this.#terms;
    const { log } = assignment.tenant.budget;
    const bdf = formatBdf(device.bdf);
    const record = records.get(bdf);
    const mine = record?.guest === undefined || record.guest === guest.domain ? record : undefined;
    const isLeft = held.permissive && record?.left === true;
    if (isLeft && !asked) log.info({ bdf }, 'permissive of the kernel module not obeyed: it is of an earlier guest');
    const next: SwitchRecord = {
      permissive: mine?.permissive ?? (asked ? 'xl' : held.permissive && !isLeft ? 'kernel' : undefined),
      allowInterruptControl: mine?.allowInterruptControl ?? (held.allowInterruptControl ? 'kernel' : undefined),
      guest: guest.domain,
      left: held.permissive && (asked || isLeft) ? true : undefined,
    };
    if (record === undefined && Object.values({ ...next, guest: undefined }).every((one) => one === undefined)) return;
    records.merge(bdf, next);
    this.#putInForce();
    for (const key of ['permissive', 'allowInterruptControl'] as const) {
      if (next[key] === undefined || assignment.isBusy || isInForce(key, device, assignment)) continue;
      const why = this.#whoDecides(key, device, assignment);
      log.warn({ bdf, key, from: next[key], why }, 'not switched on for this guest');
      records.merge(bdf, { [key]: undefined });
    }
  }

  /** Whether the toolstack has `permissive=1` for the device in the directory of this guest's back end. */
  async #isAskedFor(address: Bdf, directory: string | undefined): Promise<boolean> {
    if (directory === undefined) return false;
    const { xenstore } = this.#terms.engine.platform;
    const count = Math.min(Number(await xenstore.read(`${directory}/num_devs`)) || 0, MOST_ENTRIES);
    for (let index = 0; index < count; index++) {
      if (!isAddress(await xenstore.read(`${directory}/dev-${index}`), address)) continue;
      // A toolstack that waited in vain for the end of an unplug leaves the entry, and makes another one for the next plug.
      if (GONE.has((await xenstore.read(`${directory}/state-${index}`)) ?? '')) continue;
      return asksForPermissive(await xenstore.read(`${directory}/opts-${index}`));
    }
    return false;
  }

  /** The device is no guest's any more: nothing of this is for the next one. */
  returned({ bdf }: DeviceFacts): void {
    const { records } = this.#terms;
    const name = formatBdf(bdf);
    if (records.get(name)?.left === true)
      records.merge(name, { permissive: undefined, allowInterruptControl: undefined, guest: undefined });
    else records.delete(name);
  }

  /** The device is the host's again, and so is what the kernel module knew of it. */
  released({ bdf }: DeviceFacts): void {
    this.#terms.records.delete(formatBdf(bdf));
  }
}

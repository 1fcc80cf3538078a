// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../bdf.ts';
import type { PreparedChange, RegistrationChange } from '../changes.ts';
import { describeError, fail, isPcibackError } from '../errors/index.ts';
import type { FenceReason, GuestFacts } from '../facts.ts';
import { type Hooks, resetShape } from '../hooks/index.ts';
import { type DeviceRecord, forgetful, type Journal, withoutGuest } from '../journal.ts';
import type { Logger } from '../log.ts';
import { HostError, type PciFunction, type Platform, type ResetOutcome } from '../platform/index.ts';
import { Status } from '../ring/layout.ts';
import { isSilent } from '../space/capabilities.ts';
import { Assigner, quarantineAfter, type StubPolicy } from './assigner.ts';
import type { Assignment, ResumedDevice, Tenant } from './assignment.ts';
import type { EarlierDevices } from './earlier.ts';
import { MsixTables } from './msix-table.ts';
import { SavedConfig } from './saved-config.ts';
import { describeReset, SeizedDevice } from './seized-device.ts';

/**
 * Which devices are seized, who owns each, and their way from host to guest to host. It does not know why a device is
 * wanted, and names no vendor.
 */
export class Stub {
  readonly #platform: Platform;
  readonly #hooks: Hooks;
  readonly #policy: StubPolicy;
  readonly #log: Logger;
  readonly #assigner: Assigner;
  readonly #devices = new Map<Bdf, SeizedDevice>();
  readonly #seizing = new Map<Bdf, Promise<SeizedDevice>>();
  /** What outlives this process. To be set before anything is seized, as the three below. */
  journal: Journal = forgetful();
  readonly #note = (device: SeizedDevice, change: Partial<DeviceRecord>): void =>
    this.journal.devices.merge(formatBdf(device.bdf), change);
  readonly #tables: MsixTables;
  /** What an earlier process left. */
  earlier: EarlierDevices = { recover: async () => undefined, resume: async () => undefined };
  /** The directory of a guest that has the function through another back end; it is not touched then. */
  foreign: (address: Bdf) => string | undefined = () => undefined;
  /** Lets a function be taken from the host, or a held one be given to a guest. @throws PcibackError why not */
  consent: (address: Bdf, guest?: GuestFacts) => Promise<void> = async () => undefined;

  constructor(platform: Platform, hooks: Hooks, policy: StubPolicy, log: Logger) {
    this.#platform = platform;
    this.#hooks = hooks;
    this.#policy = policy;
    this.#log = log;
    this.#tables = new MsixTables(platform.interrupts, this.#note);
    const reset = (device: SeizedDevice, tenant: Tenant): Promise<number> => this.#resetForGuest(device, tenant);
    this.#assigner = new Assigner({ platform, hooks, policy, journal: () => this.journal, reset });
  }

  get devices(): readonly SeizedDevice[] {
    return [...this.#devices.values()];
  }

  /**
   * Takes a function from the host: saved, reset, restored, switched off.
   *
   * @throws PcibackError `DEVICE_NOT_FOUND`, `DEVICE_NOT_SEIZABLE`, `DEVICE_HEADER`, `DEVICE_FOREIGN`; nothing is held then.
   */
  seize(address: Bdf): Promise<SeizedDevice> {
    const known = this.#devices.get(address);
    if (known) return Promise.resolve(known);
    const running = this.#seizing.get(address) ?? this.#seize(address).finally(() => this.#seizing.delete(address));
    this.#seizing.set(address, running);
    return running;
  }

  async #seize(address: Bdf): Promise<SeizedDevice> {
    const { pci, clock } = this.#platform;
    const [bdf, directory] = [formatBdf(address), this.foreign(address)];
    if (directory !== undefined) fail('DEVICE_FOREIGN', { bdf, directory });
    const earlier = await this.earlier.recover(address);
    if (earlier !== undefined) return earlier;
    await this.consent(address);
    const hardware = await pci.seize(address);
    let unprepare = (): void => {};
    try {
      const { headerType } = hardware.identity;
      if (headerType !== 0 && headerType !== 1) fail('DEVICE_HEADER', { bdf, headerType });
      const device = new SeizedDevice(hardware, await pci.bridgesAbove(address), clock);
      await device.save();
      this.#note(device, { pristine: device.pristine.registers, lists: device.operations.lists, cleaning: true });
      this.#tables.prepare(device);
      unprepare = () => this.#tables.release(device);
      const reset = await this.clean(device);
      if (!reset.ok && device.quarantine === undefined) {
        this.#log.warn({ bdf, why: describeReset(reset) }, 'not reset: it can carry state from guest to guest');
      }
      await this.#hooks.call('deviceSeized', device);
      this.#note(device, { cleaning: undefined, quarantine: device.quarantine });
      this.#devices.set(address, device);
      this.#log.info({ bdf, reset: describeReset(reset) }, 'device seized');
      return device;
    } catch (error) {
      await this.#giveToHost(hardware, unprepare);
      this.journal.devices.delete(bdf);
      throw error;
    }
  }

  /** Resets a device, gives it what it had when it was seized, and switches it off; its quarantine says what that came to. */
  async clean(device: SeizedDevice): Promise<ResetOutcome> {
    await device.operations.wake();
    const reset = await this.reset(device);
    device.quarantine = quarantineAfter(reset, this.#policy);
    const offsets = device.pristine.restore(device.operations.hardware);
    if (offsets.length > 0)
      this.#log.warn({ bdf: formatBdf(device.bdf), offsets }, 'registers did not take their saved value');
    device.operations.turnOff();
    return reset;
  }

  /** A function that an earlier process held is held here; nothing is done to it. */
  hold(device: SeizedDevice, record: DeviceRecord): void {
    this.#devices.set(device.bdf, device);
    if (record.prepared !== true) this.#tables.prepare(device);
  }

  /** A guest that had a held device in an earlier process goes on with it; nothing is done to it. Throws as {@link assign}. */
  resume(device: SeizedDevice, tenant: Tenant, resumed: ResumedDevice): Assignment {
    const assignment = this.#assigner.assign(device, tenant, resumed);
    assignment.unwatch = this.#platform.errors?.watch?.(device.bdf);
    device.assignment = assignment;
    return assignment;
  }

  /** No guest has the device any more. */
  noteFree(device: SeizedDevice): void {
    this.#note(device, { ...withoutGuest, quarantine: device.quarantine });
  }

  async #giveToHost(hardware: PciFunction, unprepare: () => void): Promise<void> {
    try {
      unprepare();
      await this.#platform.pci.release(hardware);
    } catch (error) {
      this.#log.error({ bdf: formatBdf(hardware.identity.bdf), error: describeError(error) }, 'device not given back');
    }
  }

  /**
   * Gives a device to a guest, seizing it if need be. The owner is exclusive: of two callers at the same time one gets
   * it (S-9). A device that is on its way back is waited for.
   *
   * @throws PcibackError `DEVICE_IN_USE`, `DEVICE_QUARANTINED` and what {@link seize} throws; nothing is assigned then.
   */
  async assign(address: Bdf, tenant: Tenant): Promise<SeizedDevice> {
    for (;;) {
      const device = await this.seize(address);
      // Released while this waited for the lock: what was found is not held any more.
      const isHeld = await device.lock.run(async () => {
        if (this.#devices.get(address) !== device || !(await this.#isHeld(device))) return false;
        await this.#give(device, tenant);
        return true;
      });
      if (isHeld) return device;
    }
  }

  /** Whether the host has left the device to us; one that it took away, or had in between, is forgotten. */
  async #isHeld(device: SeizedDevice): Promise<boolean> {
    const { pci, interrupts } = this.#platform;
    const { hardware, msix } = device.operations;
    if (device.assignment !== undefined || (await pci.stillHolds?.(hardware)) !== false) return true;
    const bdf = formatBdf(device.bdf);
    this.#devices.delete(device.bdf);
    this.journal.devices.delete(bdf);
    this.#log.warn({ bdf }, 'the host took the device away: what was known of it is forgotten');
    if (msix !== undefined) interrupts.releaseMsix(hardware);
    await this.#hooks.call('deviceReleased', device);
    return false;
  }

  /** Under the device lock. */
  async #give(device: SeizedDevice, tenant: Tenant): Promise<void> {
    const bdf = formatBdf(device.bdf);
    if (device.assignment !== undefined) {
      fail('DEVICE_IN_USE', { bdf, owner: device.assignment.tenant.domain, wanted: tenant.domain });
    }
    if (device.quarantine !== undefined) fail('DEVICE_QUARANTINED', { bdf, reason: device.quarantine });
    await this.consent(device.bdf, tenant);
    await device.refresh();
    this.#note(device, { guest: tenant.domain, pristine: device.pristine.registers });
    try {
      device.assignment = this.#assigner.assign(device, tenant);
    } catch (error) {
      device.operations.serve(undefined);
      this.noteFree(device);
      throw error;
    }
    try {
      device.assignment.interrupts.prepareLine();
      device.assignment.unwatch = this.#platform.errors?.watch?.(device.bdf);
      await this.#hooks.call('deviceAssigned', device, tenant);
    } catch (error) {
      await this.#takeBack(device, device.assignment);
      throw error;
    }
  }

  /**
   * Looks at what a plugin that came or went means for devices that guests have: those whose rules are other ones now
   * get a new table. Nothing is in force before `commit`; between the two no request may be served.
   *
   * A device that does not answer keeps its old table and is reported; so does one whose hook failed.
   *
   * @throws PcibackError `FIELD_OVERLAP` when what was loaded lies over bits that another set has in one of the devices
   */
  prepareChange(change: RegistrationChange): PreparedChange {
    const started = performance.now();
    const commits: (() => void)[] = [];
    const failures: { readonly bdf: string; readonly why: string }[] = [];
    let waiting = 0;
    for (const device of this.devices) {
      const { assignment } = device;
      if (assignment === undefined || assignment.ended) continue;
      try {
        const commit = this.#assigner.prepare(device, assignment, change.what === 'loaded' ? 'refuse' : 'leave out');
        if (commit === 'later') waiting++;
        else if (commit !== undefined) commits.push(commit);
      } catch (error) {
        if (change.what === 'loaded' && isPcibackError(error, 'FIELD_OVERLAP')) throw error;
        failures.push({ bdf: formatBdf(device.bdf), why: describeError(error) });
      }
    }
    return {
      commit: () => {
        for (const commit of commits) commit();
        for (const one of failures) this.#log.error({ ...one, plugin: change.name }, 'device keeps its old registers');
        return { devices: commits.length, waiting, ms: performance.now() - started, failures };
      },
    };
  }

  /**
   * Takes a device back from its guest, dead or alive (S-7). The caller has made sure that no request for it runs.
   * Never throws for what a device does: one that cannot be made clean is quarantined.
   *
   * @returns how many PIRQs were still mapped
   */
  giveBack(device: SeizedDevice): Promise<number> {
    return device.lock.run(async () => {
      const { assignment } = device;
      return assignment === undefined ? 0 : this.#takeBack(device, assignment);
    });
  }

  async #takeBack(device: SeizedDevice, assignment: Assignment): Promise<number> {
    const { operations, bdf } = device;
    const { tenant } = assignment;
    const { log } = tenant.budget;
    const facts = { bdf: formatBdf(bdf) };
    let pirqs = 0;
    let reset: ResetOutcome | undefined;
    let broken: string | undefined;
    /** What a plugin fails at does not keep the device from being made clean. */
    const undo = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        broken ??= describeError(error);
      }
    };
    const teardown = (): void => undo(() => (pirqs += assignment.interrupts.teardown()));
    assignment.ended = true;
    this.#note(device, { cleaning: true });
    try {
      operations.setBusMaster('off');
      teardown();
      operations.serve(undefined);
      reset = await this.clean(device);
      if (isSilent(operations.hardware)) device.quarantine = 'it does not answer (config space reads all ones)';
      await this.#hooks.call('deviceReturned', device, tenant);
    } catch (error) {
      // Also after a defect of ours, which must not keep the guest's other devices: how far this one was cleaned is not known.
      device.quarantine = describeError(error);
      // It does not answer; its PIRQs are the hypervisor's and go all the same (XSA-360).
      teardown();
    } finally {
      // Not before the reset: until then the device may ask for service, and the host must not hear it unclaimed.
      undo(() => assignment.interrupts.releaseLine());
      assignment.unwatch?.();
      operations.serve(undefined);
      device.quarantine ??= broken;
      device.assignment = undefined;
      this.noteFree(device);
      assignment.dropSpare();
      this.journal.free(assignment.space.table.kept);
    }
    if (device.quarantine !== undefined) log.error({ ...facts, why: device.quarantine }, 'device quarantined');
    const how = reset === undefined ? 'not done' : describeReset(reset);
    log.info({ ...facts, pirqs, reset: how }, 'device returned');
    return pirqs;
  }

  /** Resets the function as the hook or the host can; its registers are lost. The caller has the device's lock. */
  async reset(device: SeizedDevice): Promise<ResetOutcome> {
    const { wall } = this.#hooks;
    const { name } = this.#platform;
    const done = await this.#hooks.call('resetDevice', device, device.operations.hardware);
    if (done !== undefined) return done;
    const plugin = this.#hooks.bringerOf('platforms', name);
    const place = { plugin, what: `reset of platform ${name}`, device: device.bdf, refusals: ['HOST'] } as const;
    return wall.wait(place, this.#hooks.deadline('reset'), () => device.operations.hardware.reset(), resetShape);
  }

  /**
   * Cuts a device off from its guest and tells plugins; one that is cut off already stays so.
   *
   * @returns what the device or the host refused
   */
  fence(device: SeizedDevice, assignment: Assignment, reason: FenceReason): string[] {
    if (assignment.fenced !== undefined) return [];
    const refusals = assignment.fence(reason);
    this.#hooks.call('deviceFenced', device, assignment.tenant, reason);
    return refusals;
  }

  /** A guest asked for a function-level reset. Its view of the BARs does not change, so hardware gets them back. */
  async #resetForGuest(device: SeizedDevice, { budget }: Tenant): Promise<number> {
    const { hardware } = device.operations;
    const bdf = formatBdf(device.bdf);
    try {
      await budget.takesReset();
      const before = SavedConfig.of(hardware);
      this.#note(device, { before: before.registers });
      const outcome = await this.reset(device);
      if (outcome.ok) before.restore(hardware);
      this.#note(device, { before: undefined });
      budget.log.info({ bdf, reset: describeReset(outcome) }, 'device reset for its guest');
      return outcome.ok ? Status.success : Status.opFailed;
    } catch (error) {
      budget.log.error({ bdf, error: describeError(error) }, 'device reset for its guest failed');
      return Status.opFailed;
    }
  }

  /**
   * Gives a function back to the host.
   *
   * @throws PcibackError `DEVICE_NOT_SEIZED`, `DEVICE_IN_USE` (a running guest would keep access, D-S6)
   */
  async release(address: Bdf): Promise<void> {
    const bdf = formatBdf(address);
    // The driver that takes a physical function makes its virtual ones anew: those that are free go first.
    for (const one of this.devices)
      if (one.identity.physicalFunction === address && one.assignment === undefined) await this.release(one.bdf);
    const device = this.#devices.get(address) ?? fail('DEVICE_NOT_SEIZED', { bdf });
    await device.lock.run(async () => {
      if (this.#devices.get(address) !== device) fail('DEVICE_NOT_SEIZED', { bdf });
      const owner = device.assignment?.tenant.domain;
      if (owner !== undefined) fail('DEVICE_IN_USE', { bdf, owner, wanted: 'the host' });
      await this.#hooks.call('deviceReleased', device);
      await this.#cleanForHost(device);
      this.#tables.release(device);
      await this.#platform.pci.release(device.operations.hardware);
      this.#devices.delete(address);
      this.journal.devices.delete(bdf);
      this.#log.info({ bdf }, 'device released');
    });
  }

  /** The host's driver finds the device as it was before it was seized; one that does not answer is the host's own. */
  async #cleanForHost(device: SeizedDevice): Promise<void> {
    const bdf = formatBdf(device.bdf);
    try {
      const reset = await this.clean(device);
      if (!reset.ok) this.#log.warn({ bdf, why: describeReset(reset) }, 'not reset before its release');
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.#log.warn({ bdf, error: describeError(error) }, 'device released as it is');
    }
  }
}

// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { describeError, fail } from '../../core/errors/index.ts';
import type { InterruptNotes } from '../../core/interrupts.ts';
import type { DeviceRecord } from '../../core/journal.ts';
import type { Logger } from '../../core/log.ts';
import { HostError, type Platform } from '../../core/platform/index.ts';
import { type EarlierDevices, SavedConfig, SeizedDevice, type Stub, type Tenant } from '../../core/stub/index.ts';
import { holdingOf } from '../kinds/platform.ts';
import type { FolderJournal, KeptDevice } from './journal.ts';
import type { LostGuests } from './lost-guests.ts';
import type { MissingQuirk } from './quirk-notes.ts';
import { savedState } from './saved-state.ts';

/** What devices are taken over with. */
export interface EarlierTerms {
  readonly platform: Platform;
  readonly stub: Stub;
  readonly journal: FolderJournal;
  readonly log: Logger;
  /** What was in force in the process before, and is not in this one. */
  readonly missing: readonly MissingQuirk[];
  /** Guests that are to be closed, because the journal of the process before cannot be used. */
  readonly lost: LostGuests;
}

/** A record of which parts may be lost. */
type Noted = Partial<KeptDevice>;

const isWhole = (record: Noted): record is DeviceRecord => record.pristine !== undefined && record.lists !== undefined;

/** Control word in the MSI-X capability, and how many entries its table has, less one. */
const MSIX_CONTROL = 2;
const MSIX_SIZE = 0x7ff;

/** What a device says; `undefined`: it cannot be asked. */
const readOr = (read: () => number): number | undefined => {
  try {
    return read();
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
};

/** Takes devices over that an earlier process held, by what the journal says of them. */
export class Earlier implements EarlierDevices {
  readonly #terms: EarlierTerms;

  constructor(terms: EarlierTerms) {
    this.#terms = terms;
  }

  async recover(address: Bdf): Promise<SeizedDevice | undefined> {
    const { journal, log } = this.#terms;
    const bdf = formatBdf(address);
    const record = journal.devices.get(bdf);
    if (record === undefined) return undefined;
    try {
      const device = await this.#hold(address, record);
      const { holding } = journal.devices.get(bdf) ?? {};
      const wasAway = record.holding !== undefined && holding !== undefined && holding !== record.holding;
      if (wasAway || record.cleaning === true || record.guest !== undefined)
        await this.#takeBack(device, record, { wasAway });
      return device;
    } catch (error) {
      this.#forget(address, record);
      log.error({ bdf, why: describeError(error) }, 'device of an earlier process is not there any more');
      return undefined;
    }
  }

  async resume(address: Bdf, tenant: Tenant, interrupted: boolean): Promise<SeizedDevice | undefined> {
    const { journal, log } = this.#terms;
    const facts = { bdf: formatBdf(address), guest: tenant.domain };
    const record = journal.devices.get(facts.bdf);
    const why = this.#terms.lost.whyOf(tenant.domain);
    if (why !== undefined) return this.#takeFrom(address, tenant, why);
    if (record === undefined || record.guest !== tenant.domain || record.cleaning === true) return undefined;
    let device: SeizedDevice;
    try {
      device = await this.#adopt(address, record);
    } catch (error) {
      this.#forget(address, record);
      throw error;
    }
    try {
      const missing = this.#terms.missing.find((quirk) => quirk.isFor(device.identity));
      if (missing !== undefined)
        fail('GUEST_NOT_CONTINUED', {
          why: `${missing.kind} ${missing.name}, which ${facts.bdf} was used with: ${missing.why}`,
        });
      this.#goOn(device, record, tenant, interrupted);
      log.info(facts, 'device taken over');
      return device;
    } catch (error) {
      log.error({ ...facts, why: describeError(error) }, 'device not taken over');
      await this.#takeBack(device, record);
      throw error;
    }
  }

  /** Takes the device from a guest that cannot be continued, by what is known of it. @throws PcibackError why it is closed */
  async #takeFrom(address: Bdf, { domain }: Tenant, lost: string): Promise<never> {
    const { journal, stub } = this.#terms;
    const record: Noted = { ...journal.devices.get(formatBdf(address)), guest: domain };
    // The store may name it twice.
    if (!stub.devices.some(({ bdf }) => bdf === address))
      await this.#takeBack(await this.#hold(address, record), record, { which: 'all messages' });
    return fail('GUEST_NOT_CONTINUED', { why: `its journal cannot be used: ${lost}` });
  }

  /** As {@link #adopt}; where its record is lost, it is switched off first, and then what it has counts as what it had. */
  async #hold(address: Bdf, record: Noted): Promise<SeizedDevice> {
    if (isWhole(record)) return this.#adopt(address, record);
    const { platform, stub, journal, log } = this.#terms;
    const bdf = formatBdf(address);
    const hardware = await platform.pci.seize(address);
    const device = new SeizedDevice(hardware, await platform.pci.bridgesAbove(address), platform.clock);
    device.operations.turnOff();
    await device.save();
    const { lists } = device.operations;
    const whole: DeviceRecord = { ...record, pristine: device.pristine.registers, lists, cleaning: true };
    journal.devices.merge(bdf, whole);
    stub.hold(device, whole);
    log.warn({ bdf }, 'what the device had before is lost: it keeps what it has now');
    return device;
  }

  /** Holds the function again; nothing is done to it. */
  async #adopt(address: Bdf, record: DeviceRecord): Promise<SeizedDevice> {
    const { platform, stub } = this.#terms;
    const { pci, clock } = platform;
    const [hardware, bridges] = await Promise.all([pci.seize(address), pci.bridgesAbove(address)]);
    const device = new SeizedDevice(hardware, bridges, clock, record);
    device.quarantine = record.quarantine;
    stub.hold(device, record);
    await this.noteHolding(address);
    return device;
  }

  /** A function is held from now on. */
  async noteHolding(address: Bdf): Promise<void> {
    const { platform, journal } = this.#terms;
    const [bdf, holding] = [formatBdf(address), await holdingOf(platform, address)];
    if (journal.devices.get(bdf)?.holding !== holding) journal.devices.merge(bdf, { holding });
  }

  /** The host had the device since it was saved, and may have moved its addresses. Throws as {@link SeizedDevice.save}. */
  async #saveAnew(device: SeizedDevice): Promise<void> {
    const { journal, log } = this.#terms;
    const bdf = formatBdf(device.bdf);
    log.warn({ bdf }, 'the host had the device meanwhile: what it has now is what it gets back');
    await device.save();
    journal.devices.merge(bdf, { pristine: device.pristine.registers, cleaning: true });
  }

  #goOn(device: SeizedDevice, record: DeviceRecord, tenant: Tenant, interrupted: boolean): void {
    const { stub, journal, log } = this.#terms;
    const bdf = formatBdf(device.bdf);
    const state = record.table === undefined ? undefined : savedState(record.table, journal);
    const { fenced, interrupts } = record;
    const { space } = stub.resume(device, tenant, { fenced, interrupts, interrupted, state });
    if (state !== undefined) journal.free(state.kept);
    if (state === undefined) log.warn({ bdf, guest: tenant.domain }, 'registers start from hardware and the rules');
    else {
      const [before, now] = [record.table?.layout ?? [], space.table.layout].map((one) => one.map(([name]) => name));
      const lost = before?.filter((name) => now?.includes(name) === false);
      if (lost?.length)
        log.warn({ bdf, guest: tenant.domain, registers: lost }, 'registers that no plugin has any more');
    }
    if (record.before !== undefined) {
      // A reset that the guest asked for was under way. If it still waits for it, it comes again.
      new SavedConfig(record.before).restore(device.operations.hardware);
      journal.devices.merge(bdf, { before: undefined });
    }
    device.operations.endTransition();
    device.assignment?.interrupts.follow();
    space.refresh();
  }

  /** All that the hypervisor has mapped for messages of a device, as far as it tells. */
  #messagesOf({ bdf, operations: { hardware, msix } }: SeizedDevice, guest: number): number[] {
    const { platform, log } = this.#terms;
    const { interrupts } = platform;
    if (interrupts.mappedFor === undefined) {
      log.warn({ bdf: formatBdf(bdf), guest }, 'PIRQs that are not known may be left in the guest until it ends');
      return [];
    }
    const control = msix === undefined ? undefined : readOr(() => hardware.readConfig(msix + MSIX_CONTROL, 2));
    const entries = control === undefined ? 0 : (control & MSIX_SIZE) + 1;
    const found = [undefined, ...Array(entries).keys()].map((entry) => interrupts.mappedFor?.(guest, bdf, entry));
    return found.filter((pirq) => pirq !== undefined);
  }

  /** What was being mapped when the process died. */
  #begun(address: Bdf, guest: number | undefined, notes: InterruptNotes | undefined): number[] {
    const { mapping } = notes ?? {};
    if (mapping === undefined || guest === undefined) return [];
    const { interrupts } = this.#terms.platform;
    const pirq = interrupts.mappedFor?.(guest, address, mapping === 'msi' ? undefined : mapping);
    return pirq === undefined ? [] : [pirq];
  }

  /** Its guest is gone, or cannot keep it: off, its PIRQs unmapped, clean. */
  async #takeBack(
    device: SeizedDevice,
    record: Noted,
    {
      which = 'noted',
      wasAway = false,
    }: { readonly which?: 'noted' | 'all messages'; readonly wasAway?: boolean } = {},
  ): Promise<void> {
    const { stub, journal, log } = this.#terms;
    const bdf = formatBdf(device.bdf);
    const found = which === 'noted' ? [] : this.#messagesOf(device, record.guest as number);
    device.assignment?.unwatch?.();
    device.assignment = undefined;
    device.operations.serve(undefined);
    try {
      // One that cannot be saved must not get the addresses from before.
      if (wasAway) await this.#saveAnew(device);
      device.operations.turnOff();
      this.#unmap(device.bdf, record, found);
      await stub.clean(device);
    } catch (error) {
      device.quarantine = describeError(error);
      this.#unmap(device.bdf, record, found);
      log.error({ bdf, why: device.quarantine }, 'device quarantined');
    }
    const table = journal.devices.get(bdf)?.table;
    const kept = table === undefined ? undefined : savedState(table, journal)?.kept;
    stub.noteFree(device);
    if (kept !== undefined) journal.free(kept);
    log.info({ bdf, guest: record.guest }, 'device of an earlier process made clean');
  }

  /** The function is gone; what the hypervisor knows of it is not. */
  #forget(address: Bdf, record: Noted): void {
    this.#unmap(address, record);
    this.#terms.journal.devices.delete(formatBdf(address));
  }

  #unmap(address: Bdf, { guest, interrupts }: Noted, found: readonly number[] = []): void {
    const { platform, log } = this.#terms;
    const begun = this.#begun(address, guest, interrupts);
    for (const pirq of new Set([...(interrupts?.pirqs ?? []), ...begun, ...found])) {
      try {
        platform.interrupts.unmap(guest as number, pirq);
      } catch (error) {
        if (!(error instanceof HostError)) throw error;
        log.warn({ guest, pirq, error: error.message }, 'PIRQ of an earlier process not unmapped');
      }
    }
  }
}

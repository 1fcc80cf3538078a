// SPDX-License-Identifier: MIT

import { type Bdf, devfnOf, formatBdf, formatRoot, formatVdev } from '../bdf.ts';
import { describeError, fail } from '../errors/index.ts';
import type { StoreView, Xenstore } from '../platform/index.ts';
import type { Request } from '../ring/request.ts';
import type { SlotMap } from '../slots.ts';
import { codePlace } from '../space/placed-register.ts';
import type { GuestView } from '../space/views.ts';
import type { SeizedDevice, Stub, Tenant } from '../stub/index.ts';
import type { Wall } from '../wall/wall.ts';
import { changeDirectory, decimal, requireBdf, XenbusState } from './nodes.ts';

/** What a guest's exports are made with. */
export interface ExportTerms {
  readonly xenstore: Xenstore;
  readonly stub: Stub;
  readonly slots: SlotMap<SeizedDevice>;
  readonly tenant: Tenant;
  /** The back end's directory of this guest. */
  readonly directory: string;
  readonly wall: Wall;
  /** Devices came or went. */
  readonly changed: () => void;
  /** Resolves when no request of the guest is being worked on. */
  readonly drained: () => Promise<void>;
}

/** Most entries a directory is believed to have; a passthrough guest could get every function of some buses. */
const MOST_ENTRIES = 1024;

/** `vdevfn-N`, hexadecimal: the virtual slot that was asked for. */
const wantedSlot = (text: string | undefined): number | undefined => {
  const value = text !== undefined && /^(0x)?[0-9a-f]{1,4}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
  return value !== undefined && value <= 0xff ? value : undefined;
};

/**
 * The devices of one guest: what the toolstack lists in `dev-N`, what was exported and at which virtual address.
 *
 * Devices are known by their address, never by the index N: the toolstack moves indices behind our back (D-X10). Every
 * step that fails takes back what it did (D-X4, D-X5).
 */
export class Exports {
  readonly #terms: ExportTerms;
  readonly #devices = new Map<Bdf, SeizedDevice>();
  /** What came back from this guest so far. */
  readonly returned = { devices: 0, pirqs: 0 };

  constructor(terms: ExportTerms) {
    this.#terms = terms;
  }

  get devices(): readonly SeizedDevice[] {
    return [...this.#devices.values()];
  }

  /** Does what writes that another thread answered have put off. */
  closeGates(): void {
    for (const { assignment } of this.#devices.values()) assignment?.closeGates();
  }

  /** A request still waits for its device: as long as that is busy it does so rightly. */
  overdue({ segment, bus, devfn, offset, size }: Request): 'busy' | 'over' {
    const { slots, tenant, wall } = this.#terms;
    const device = slots.lookup(segment, bus, devfn);
    if (device?.assignment === undefined) return 'over';
    if (device.assignment.isSettling) return 'busy';
    const mask = size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
    const [claim] = device.assignment.space.claimsOf(offset, mask);
    const at = { device: device.bdf, guest: tenant.domain, offset };
    wall.fault(
      codePlace(claim?.owner ?? '', 'the behaviour', at),
      new Error('it answered "later", and the device is not busy'),
    );
    return 'over';
  }

  /**
   * Goes on with what an earlier process had exported; what the store has no address for is taken back.
   *
   * @param interrupted whether that process died while it carried out a request for the device at this address
   * @throws PcibackError, HostError when a device cannot go on
   */
  async resume(interrupted: (address: Bdf) => boolean): Promise<void> {
    const { xenstore, directory, stub, slots, tenant } = this.#terms;
    const count = decimal(await xenstore.read(`${directory}/num_devs`)) ?? 0;
    const errors: unknown[] = [];
    const entryOf = async (_: unknown, index: number): Promise<Bdf[]> => {
      if ((await xenstore.read(`${directory}/vdev-${index}`)) === undefined) return [];
      return Promise.all(['vdev', 'dev'].map((name) => requireBdf(xenstore, `${directory}/${name}-${index}`)));
    };
    for (const entry of await Promise.allSettled(Array.from({ length: Math.min(count, MOST_ENTRIES) }, entryOf))) {
      try {
        if (entry.status === 'rejected') throw entry.reason;
        const [virtual, address] = entry.value;
        if (virtual === undefined || address === undefined) continue;
        if (this.#devices.has(address)) continue;
        const device = await stub.earlier.resume(address, tenant, interrupted(virtual));
        if (device === undefined) continue;
        this.#devices.set(address, device);
        const place = slots.add(device, devfnOf(virtual));
        const why = `${formatBdf(address)} was at ${formatBdf(virtual)} and would be at ${formatBdf(place)}`;
        if (place !== virtual) fail('GUEST_NOT_CONTINUED', { why });
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Whether an earlier process exported this entry. */
  async #isExported(index: number, address: Bdf): Promise<boolean> {
    const device = this.#devices.get(address);
    const text = device && (await this.#terms.xenstore.read(`${this.#terms.directory}/vdev-${index}`));
    const virtual = device && this.#terms.slots.find(device);
    return virtual !== undefined && text === formatVdev(virtual);
  }

  /** Carries out what `state-N` of every entry asks for. @returns errors, one per entry that failed. */
  async reconcile(which: 'all' | 'marked'): Promise<unknown[]> {
    const { xenstore, directory } = this.#terms;
    const count = decimal(await xenstore.read(`${directory}/num_devs`));
    if (count === undefined || count > MOST_ENTRIES) {
      const error = `missing, or not a number up to ${MOST_ENTRIES}`;
      return fail('STORE_REFUSED', { operation: 'read', path: `${directory}/num_devs`, error });
    }
    const errors: unknown[] = [];
    for (let index = 0; index < count; index++) {
      const state = decimal(await xenstore.read(`${directory}/state-${index}`)) ?? XenbusState.unknown;
      try {
        if (state === XenbusState.closing && which === 'marked') await this.#remove(index);
        else if (which === 'all' || state === XenbusState.initialising) await this.#add(index);
      } catch (error) {
        errors.push(error);
        await this.#mark(index, XenbusState.closed, describeError(error));
      }
    }
    return errors;
  }

  async #mark(index: number, state: number, why: string): Promise<void> {
    const { xenstore, directory, tenant } = this.#terms;
    tenant.budget.log.error({ index, error: why }, 'device not exported');
    await changeDirectory(xenstore, directory, (view) => view.write(`${directory}/state-${index}`, String(state)));
  }

  async #add(index: number): Promise<void> {
    const { xenstore, directory, stub, slots, tenant } = this.#terms;
    const address = await requireBdf(xenstore, `${directory}/dev-${index}`);
    if (await this.#isExported(index, address)) return;
    if (this.#devices.has(address)) fail('SLOT_DUPLICATE', { bdf: formatBdf(address), guest: tenant.domain });
    const device = await stub.assign(address, tenant);
    try {
      const wanted = wantedSlot(await xenstore.read(`${directory}/vdevfn-${index}`));
      const virtual = wanted === undefined ? slots.add(device) : slots.add(device, wanted);
      // All or nothing: an address that was announced and failed later would be another device's one day (D-X5).
      await changeDirectory(xenstore, directory, async (view) => {
        await view.write(`${directory}/vdev-${index}`, formatVdev(virtual));
        await this.#publishRoots(view);
        await view.write(`${directory}/state-${index}`, String(XenbusState.initialised));
      });
      this.#devices.set(address, device);
      this.#terms.changed();
      tenant.budget.log.info({ bdf: formatBdf(address), vdev: formatBdf(virtual) }, 'device assigned');
    } catch (error) {
      slots.remove(device);
      // A guest that is connected may have found it already.
      await this.#terms.drained();
      await stub.giveBack(device);
      throw error;
    }
  }

  async #remove(index: number): Promise<void> {
    const { xenstore, directory, slots } = this.#terms;
    // Never exported: another entry has the device, or nobody.
    if ((await xenstore.read(`${directory}/vdev-${index}`)) === undefined) return;
    const virtual = await requireBdf(xenstore, `${directory}/vdev-${index}`);
    const address = await requireBdf(xenstore, `${directory}/dev-${index}`);
    const device = this.#devices.get(address);
    // Gone already: the toolstack has not deleted the entry yet (D-X2).
    if (device !== undefined && slots.find(device) === virtual) await this.#giveBack(device);
  }

  async #giveBack(device: SeizedDevice): Promise<void> {
    const { slots, stub, drained, tenant, changed } = this.#terms;
    // In one go: what the lane has left is recorded under this address, and it leaves nothing more.
    tenant.hold(() => {
      slots.remove(device);
      changed();
    });
    await drained();
    this.#devices.delete(device.bdf);
    this.returned.pirqs += await stub.giveBack(device);
    this.returned.devices++;
  }

  /** Takes every device from the guest. */
  async giveBackAll(): Promise<void> {
    for (const device of this.devices) await this.#giveBack(device);
  }

  /** Announces virtual buses that are not announced yet; announced ones are never withdrawn. */
  async #publishRoots(view: StoreView): Promise<void> {
    const { directory, slots } = this.#terms;
    const text = await view.read(`${directory}/root_num`);
    const count = text === undefined ? 0 : decimal(text);
    if (count === undefined || count > MOST_ENTRIES) {
      const error = `not a number up to ${MOST_ENTRIES}`;
      return fail('STORE_REFUSED', { operation: 'read', path: `${directory}/root_num`, error });
    }
    const known = new Set<string>();
    for (let index = 0; index < count; index++) known.add((await view.read(`${directory}/root-${index}`)) ?? '');
    let next = count;
    for (const { segment, bus } of slots.roots()) {
      const root = formatRoot(segment, bus);
      if (known.has(root)) continue;
      await view.write(`${directory}/root-${next}`, root);
      next++;
    }
    if (next !== count) await view.write(`${directory}/root_num`, String(next));
  }

  /** What a lane needs to answer for these devices. */
  view(counters: Pick<GuestView, 'requests' | 'statuses'>): GuestView {
    const placed = this.devices.flatMap((device) => {
      const vdev = this.vdevOf(device);
      return vdev === undefined ? [] : [{ vdev, view: device.assignment?.deviceView ?? null }];
    });
    return {
      addresses: Int32Array.from(placed, ({ vdev }) => vdev | 0),
      devices: placed.map(({ view }) => view),
      ...counters,
    };
  }

  /** The device at an address as a {@link view} has it. */
  at(address: number): SeizedDevice | undefined {
    return this.#terms.slots.lookup((address >>> 16) & 0xffff, (address >>> 8) & 0xff, address & 0xff);
  }

  /** Virtual address of a device that is exported. */
  vdevOf(device: SeizedDevice): Bdf | undefined {
    return this.#terms.slots.find(device);
  }
}

// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { describeError } from '../../../core/errors/index.ts';
import { nearest } from '../../../core/errors/nearest.ts';
import type { Logger } from '../../../core/log.ts';
import type { Engine } from '../../../core/pciback.ts';
import { HostError } from '../../../core/platform/index.ts';
import { coalesced, SerialQueue } from '../../../core/serial-queue.ts';
import type { SeizedDevice } from '../../../core/stub/index.ts';
import { decimal } from '../../../core/xenbus/index.ts';
import { fail } from '../../errors.ts';
import type { AttachAsked, Attached, GuestDoor } from '../../guest-door.ts';
import type { Config } from '../../kinds/config.ts';
import { announce, type Ends, endsOf, indexOf, withdraw } from '../toolstack-nodes.ts';
import { type Change, type GuestChange, type HostChanges, isGuests } from './stand-alone-changes.ts';
import type { Grants } from './stand-alone-grants.ts';
import type { StandAlonePlatform } from './stand-alone-platform.ts';

/** What devices are given to guests with. */
export interface DoorTerms {
  readonly engine: Engine;
  readonly changes: HostChanges;
  readonly grants: Grants;
  readonly handlers: StandAlonePlatform['standAlone']['handlers'];
  /** Who claims interrupts on lines that the host uses too. */
  readonly lineHandler: 'uio' | 'none';
  /** What becomes of the line interrupt of a device whose line others use. */
  readonly sharedLines: () => Config['sharedLines'];
  readonly log: Logger;
}

/** Milliseconds that a guest may take for a device that comes or goes; who asks for it waits 10 s for the answer. */
const PATIENCE_MS = 8000;
/** Milliseconds in which a front end that runs has noticed its first device. */
const NOTICE_MS = 3000;
/** Milliseconds between two looks. */
const LOOK_MS = 50;

/** States of both ends, as the store has them. */
const State = { connected: '4', closing: '5', closed: '6', reconfiguring: '7' } as const;
const between: readonly string[] = [State.closing, State.reconfiguring, '8'];

const refuse = (what: string, near?: string): never => fail('USAGE', { what, nearest: near });
const isEntry = (change: Change): change is Extract<GuestChange, { readonly what: 'entry' }> => change.what === 'entry';

/** A domain that can have devices. */
interface Guest {
  readonly domain: number;
  readonly name: string;
}

/**
 * Does what `xl pci-attach` and `xl pci-detach` do, and what is left to do when a guest has ended. For one guest it does one thing
 * after the other; others do not wait for one that does not answer.
 */
export class StandAloneDoor implements GuestDoor {
  readonly #terms: DoorTerms;
  readonly #queue = new SerialQueue();
  /** By domain. */
  readonly #guests = new Map<number, SerialQueue>();
  /** Devices that are being given or taken. */
  readonly #busy = new Set<Bdf>();
  /** Something may be left of a guest that has ended. */
  readonly look: () => void;
  #names: readonly string[] = [];

  constructor(terms: DoorTerms) {
    this.#terms = terms;
    this.look = coalesced(
      this.#queue,
      () => this.#tidyAll(),
      (error) => terms.log.error({ error: describeError(error) }, 'what guests have left was not taken back'),
    );
  }

  async attach(asked: AttachAsked): Promise<Attached> {
    if (asked.path !== undefined) refuse('guests of Xen have no sockets: leave --socket out');
    const guest = await this.#guestOf(asked.name);
    return this.#inTurn(guest, () => this.#alone(asked.bdf, () => this.#attach(guest, asked)));
  }

  async detach(name: string, bdf?: Bdf): Promise<readonly Bdf[]> {
    const { changes } = this.#terms;
    const guest = await this.#guestOf(name);
    return this.#inTurn(guest, async () => {
      const isHis = (change: Change): boolean => isEntry(change) && change.domain === guest.domain;
      const his = changes.addresses.filter((address) => changes.of(address).some(isHis));
      const wanted = bdf === undefined ? his : his.filter((address) => address === bdf);
      for (const address of wanted) await this.#alone(address, () => this.#takeAway(address, guest));
      return wanted;
    });
  }

  async #inTurn<T>({ domain }: Guest, work: () => Promise<T>): Promise<T> {
    const queue = this.#guests.get(domain) ?? new SerialQueue();
    this.#guests.set(domain, queue);
    try {
      return await queue.run(work);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      return refuse(`the host refuses it: ${error.message}`);
    } finally {
      // What was left aside because of this.
      this.look();
    }
  }

  /** Does something with a device that nobody else does something with. */
  async #alone<T>(address: Bdf, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(address)) refuse(`${formatBdf(address)} is being given to a guest or taken from one: ask again`);
    this.#busy.add(address);
    try {
      return await work();
    } finally {
      this.#busy.delete(address);
    }
  }

  names(): readonly string[] {
    return this.#names;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all([...this.#guests.values()].map((queue) => queue.idle()));
    await this.#queue.idle();
  }

  get #store() {
    return this.#terms.engine.platform.xenstore;
  }

  #endsOf(domain: number): Ends {
    return endsOf(this.#terms.engine.platform.domain, domain);
  }

  /** Looks again and again, for devices come back without a change in the store. @returns whether it came true in time */
  async #until(isSo: () => Promise<boolean>, end: number): Promise<boolean> {
    const { clock } = this.#terms.engine.platform;
    for (;;) {
      if (await isSo()) return true;
      if (clock.now() > end) return false;
      await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve));
    }
  }

  /** The time until which a guest is waited for, from now on. */
  #end(patience = PATIENCE_MS): number {
    return this.#terms.engine.platform.clock.now() + patience;
  }

  #deviceAt(address: Bdf): SeizedDevice | undefined {
    return this.#terms.engine.stub.devices.find(({ bdf }) => bdf === address);
  }

  /** The domain of this name or number. @throws PcibackError `USAGE` for one that can have no devices */
  async #guestOf(name: string): Promise<Guest> {
    const domains = ((await this.#store.list('/local/domain')) ?? []).map(decimal).filter((one) => one !== undefined);
    const guests = await Promise.all(
      domains.map(async (domain) => ({ domain, name: (await this.#store.read(`/local/domain/${domain}/name`)) ?? '' })),
    );
    const others = guests.filter(({ domain }) => domain !== 0 && domain !== this.#terms.engine.platform.domain);
    this.#names = others.map((one) => one.name);
    const found = others.filter((one) => one.name === name);
    const guest = found[0] ?? others.find(({ domain }) => String(domain) === name);
    if (guest === undefined) return refuse(`there is no guest "${name}"`, nearest(name, this.#names));
    if (found.length > 1) refuse(`several domains are called "${name}": name one by its number`);
    const type = await this.#store.read(`/libxl/${guest.domain}/type`);
    if (type !== undefined && type !== 'pv')
      refuse(
        `guest "${guest.name}" is of type ${type}, whose devices its device model serves: only PV guests have a front end`,
      );
    return guest;
  }

  /** Takes a function from the host that no driver has; a driver may be the one of the host's disk. */
  async #seize(address: Bdf): Promise<SeizedDevice> {
    const { stub, platform } = this.#terms.engine;
    const bdf = formatBdf(address);
    const listed = this.#deviceAt(address) ?? (await platform.pci.list()).find((one) => one.bdf === address);
    if (listed !== undefined && 'holder' in listed) {
      if (listed.holder !== 'free')
        fail('DEVICE_NOT_SEIZABLE', {
          bdf,
          holder: `driver ${listed.holder}`,
          next: `Take it from there first: pciback seize ${bdf}; or name it under \`hide\` in the rc file.`,
        });
      if (!listed.seizable)
        fail('DEVICE_NOT_SEIZABLE', { bdf, holder: 'the host', next: 'It is a bridge, which no guest gets.' });
    }
    return stub.seize(address);
  }

  async #attach(guest: Guest, { bdf, permissive, slot }: AttachAsked): Promise<Attached> {
    const { changes, grants, handlers } = this.#terms;
    const text = formatBdf(bdf);
    const device = await this.#seize(bdf);
    await this.#tidy(bdf);
    const owner = changes.of(bdf).find(isGuests)?.domain ?? device.assignment?.tenant.domain;
    if (owner === guest.domain) refuse(`guest "${guest.name}" has ${text} already`);
    if (owner !== undefined) fail('DEVICE_IN_USE', { bdf: text, owner, wanted: guest.domain });
    if (device.quarantine !== undefined) fail('DEVICE_QUARANTINED', { bdf: text, reason: device.quarantine });
    // Before it may map anything: what it has mapped once it keeps.
    await this.#terms.engine.stub.consent(bdf, guest);
    const { resources } = device.operations.hardware;
    const line = await this.#lineFor(device, guest);
    try {
      await grants.give(bdf, guest.domain, { resources, line });
    } catch (error) {
      await handlers.unbind(bdf);
      throw error;
    }
    const end = this.#end();
    try {
      await this.#announce(guest, { bdf, permissive, slot }, end);
      return await this.#place(guest, device, end);
    } catch (error) {
      try {
        await this.#takeAway(bdf, guest);
      } catch (secondary) {
        this.#terms.log.warn(
          { bdf: text, guest: guest.domain, error: describeError(secondary) },
          'device not taken back',
        );
      }
      throw error;
    }
  }

  /**
   * The line that the guest may have: none that another guest has too, nor one of the host's drivers where nobody would claim its
   * interrupts, unless that is allowed (XSA-461).
   */
  async #lineFor({ bdf, operations }: SeizedDevice, guest: Guest): Promise<number> {
    const { changes, engine, log, sharedLines } = this.#terms;
    const { line } = operations.hardware;
    if (line === 0) return 0;
    const users = changes.addresses
      .flatMap((other) => changes.of(other))
      .filter((change) => change.what === 'line' && change.pirq === line && change.domain !== guest.domain)
      .map((change) => `domain ${(change as GuestChange).domain}`);
    let why = users.length === 0 ? undefined : 'another guest has a device on it';
    const isAllowed = sharedLines() === 'allow';
    let isHosts = false;
    try {
      const drivers = engine.platform.lines.hostUsers(line);
      users.push(...drivers);
      isHosts = drivers.length > 0;
      if (isHosts && (why === undefined || isAllowed)) why = await this.#claimFor(bdf, guest, line);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      why = error.message;
    }
    if (why === undefined) return line;
    const facts = { bdf: formatBdf(bdf), guest: guest.domain, line, users, why };
    if (!isAllowed) log.warn(facts, 'the guest gets no line interrupt: others use the line');
    else if (isHosts) log.warn(facts, 'the guest gets a line of the host on which nobody claims its interrupts');
    return isAllowed ? line : 0;
  }

  /** @returns why there is no handler on the line; `undefined`: there is one */
  async #claimFor(bdf: Bdf, guest: Guest, line: number): Promise<string | undefined> {
    const { handlers, lineHandler } = this.#terms;
    if (lineHandler === 'none') return 'the rc file says so: stand-alone.lineHandler is "none"';
    if (handlers.lacks !== undefined) return handlers.lacks;
    await handlers.bind(bdf, guest.domain, line);
    return undefined;
  }

  async #announce(guest: Guest, device: Pick<AttachAsked, 'bdf' | 'permissive' | 'slot'>, end: number): Promise<void> {
    const { changes, engine } = this.#terms;
    const { back } = this.#endsOf(guest.domain);
    let state: string | undefined;
    const isSettled = async (): Promise<boolean> => {
      state = await this.#store.read(`${back}/state`);
      return state === undefined || !between.includes(state);
    };
    if (!(await this.#until(isSettled, end)) || state === State.closed)
      refuse(`guest "${guest.name}" takes no devices: its end is ${state === State.closed ? 'closed' : 'busy'}`);
    await changes.make(device.bdf, { what: 'entry', domain: guest.domain }, () =>
      this.#store.transaction(async (view) => {
        const plug = (await view.read(`${back}/state`)) === State.connected ? 'hot' : 'cold';
        await announce(view, engine.platform.domain, { ...guest, ...device }, plug);
      }),
    );
  }

  /** Waits until the guest has it. @throws PcibackError `USAGE` when it does not get it */
  async #place(guest: Guest, device: SeizedDevice, end: number): Promise<Attached> {
    const { engine } = this.#terms;
    const { back, front } = this.#endsOf(guest.domain);
    const text = formatBdf(device.bdf);
    const isExported = async (): Promise<boolean> => {
      if ((await this.#store.read(`${front}/state`)) === undefined) refuse(`guest "${guest.name}" has ended`);
      const index = await indexOf(this.#store, back, device.bdf);
      const own = index < 0 ? State.closed : await this.#store.read(`${back}/state-${index}`);
      if (own === State.closing || own === State.closed)
        refuse(`guest "${guest.name}" did not get ${text}: the log of the running pciback says why`);
      if (own === '1') await this.#tellAgain(back, index);
      return engine.guestOf(device)?.has(device) === true;
    };
    const isConnected = async (): Promise<boolean> =>
      (await isExported()) && (await this.#store.read(`${back}/state`)) === State.connected;
    const vdev = (await this.#until(isExported, end)) ? engine.guestOf(device)?.vdevOf(device) : undefined;
    if (vdev === undefined)
      return refuse(
        `guest "${guest.name}" did not take ${text} within ${PATIENCE_MS / 1000} s: its front end does not answer`,
      );
    const place = { domain: guest.domain, vdev: formatBdf(vdev) };
    if (await this.#until(isConnected, Math.min(end, this.#end(NOTICE_MS)))) return place;
    // A guest that is paused, or has no front end loaded, finds it when it looks; one that is slow has it soon.
    const isAsleep = (await this.#store.read(`${front}/state`)) === '1';
    return !isAsleep && (await this.#until(isConnected, end)) ? place : { ...place, waits: true };
  }

  /** An entry that was written while the ends were becoming connected is seen by none of them. */
  #tellAgain(back: string, index: number): Promise<void> {
    return this.#store.transaction(async (view) => {
      const isUnseen = (await view.read(`${back}/state-${index}`)) === '1';
      if (isUnseen && (await view.read(`${back}/state`)) === State.connected)
        await view.write(`${back}/state`, State.reconfiguring);
    });
  }

  /** Takes a device from a guest and all that was done for that; the guest lets go of it before, if it has it. */
  async #takeAway(address: Bdf, guest: Guest): Promise<void> {
    const { back, front } = this.#endsOf(guest.domain);
    const isFree = (): boolean => this.#deviceAt(address)?.assignment?.tenant.domain !== guest.domain;
    const isBack = async (): Promise<boolean> => {
      const state = await this.#store.read(`${back}/state`);
      return isFree() && (state === undefined || !between.includes(state));
    };
    if (!isFree()) {
      await this.#store.transaction(async (view) => {
        const index = await indexOf(view, back, address);
        const state = await view.read(`${back}/state`);
        if (index >= 0) await view.write(`${back}/state-${index}`, State.closing);
        if (index >= 0 && state === State.connected) await view.write(`${back}/state`, State.reconfiguring);
        // Nobody is there to let go of it: all devices of the guest come back.
        if (state === State.closed) await view.write(`${back}/online`, '0');
      });
      await this.#until(isBack, this.#end());
    } else {
      // It was told of the device and has not looked.
      await this.#store.transaction(async (view) => {
        const hasLooked = (await view.read(`${front}/state`)) !== State.connected;
        if (!hasLooked && (await view.read(`${back}/state`)) === State.reconfiguring)
          await view.write(`${back}/state`, State.connected);
      });
    }
    if (!isFree())
      refuse(
        `guest "${guest.name}" has not let go of ${formatBdf(address)} yet: it comes back when the guest does, or when it ends`,
      );
    await this.#clear(address);
  }

  /** Undoes what was done to give it to a guest. */
  async #clear(address: Bdf): Promise<void> {
    const { changes, grants, handlers } = this.#terms;
    await grants.takeBack(address);
    const undo = ({ domain }: GuestChange): Promise<void> =>
      this.#store.transaction((view) => withdraw(view, this.#endsOf(domain), address));
    await changes.undo(address, isEntry, undo, 'go on');
    // After the reset that made it clean: until then it may ask for service.
    await handlers.unbind(address);
  }

  /** Takes back what is left of guests that have ended, or that did not get what was begun for them. */
  async #tidyAll(): Promise<void> {
    for (const address of this.#terms.changes.addresses) if (!this.#busy.has(address)) await this.#tidy(address);
  }

  /** Takes everything back that guests were given; none has anything any more. */
  async clearAll(): Promise<void> {
    for (const address of this.#terms.changes.addresses) await this.#clear(address);
  }

  async #tidy(address: Bdf): Promise<void> {
    const { changes, log } = this.#terms;
    const domain = changes.of(address).find(isGuests)?.domain;
    if (domain === undefined) return;
    const device = this.#deviceAt(address);
    // One that is on its way back is waited for.
    await device?.lock.run(async () => undefined);
    if (device?.assignment !== undefined) return;
    const { back } = this.#endsOf(domain);
    const index = await indexOf(this.#store, back, address);
    const isAlive = (await this.#store.read(`/local/domain/${domain}`)) !== undefined;
    // It is still to be looked at.
    if (isAlive && index >= 0 && (await this.#store.read(`${back}/state-${index}`)) === '1') return;
    await this.#clear(address);
    log.info({ bdf: formatBdf(address), guest: domain }, 'what the guest had of the device is taken back');
  }
}

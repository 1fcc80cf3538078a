// SPDX-License-Identifier: MIT

import type { Bdf } from '../bdf.ts';
import type { GuestBudget } from '../budget.ts';
import { Dispatcher, type RingServer, WORK_BYTES } from '../dispatcher/index.ts';
import { describeError } from '../errors/index.ts';
import type { GuestFacts } from '../facts.ts';
import type { Hooks, Owned } from '../hooks/index.ts';
import type { FrontendKeys, GuestRecord } from '../journal.ts';
import type { KeptMemory, Platform, StoreWatch, TakeRefused } from '../platform/index.ts';
import { coalesced, SerialQueue } from '../serial-queue.ts';
import type { SlotMapper } from '../slots.ts';
import { DenialRecord } from '../space/denials.ts';
import type { SeizedDevice, Stub, Tenant } from '../stub/index.ts';
import { Connection, readFrontendKeys } from './connection.ts';
import { ErrorNode } from './error-node.ts';
import { Exports } from './exports.ts';
import type { GuestReport } from './guest-report.ts';
import { GuestSlots } from './guest-slots.ts';
import { decimal, expectedNext, readState, stateName, XenbusState } from './nodes.ts';

const { initWait, initialised, connected, closing, closed, reconfiguring, reconfigured, unknown, initialising } =
  XenbusState;

/** What one guest's back end is made with. */
export interface GuestBackendTerms {
  readonly platform: Platform;
  readonly stub: Stub;
  readonly hooks: Hooks;
  readonly mapper: Owned<SlotMapper>;
  readonly budget: GuestBudget;
  /** The back end's directory. */
  readonly directory: string;
  /** The front end's directory. */
  readonly frontend: string;
  readonly guest: GuestFacts;
  /** What an earlier process left of it: {@link GuestBackend.resume} instead of `start`. */
  readonly record?: GuestRecord;
  /** Told once, when nothing of the guest is left here. */
  readonly retired: () => void;
}

/**
 * The back end of one guest: its XenBus state machine, its devices and its connection.
 *
 * It looks at both ends' states whenever one of them may have changed and does what is due, so it does not matter in
 * which order or how often events come. All of it runs in one queue (seed b1766b6289).
 */
export class GuestBackend {
  readonly guest: GuestFacts;
  /** Its directory in the store. */
  readonly directory: string;
  readonly #terms: GuestBackendTerms;
  readonly #queue = new SerialQueue();
  readonly #look: () => void;
  readonly #exports: Exports;
  readonly #dispatcher: Dispatcher;
  readonly #denials: DenialRecord;
  readonly #watches: StoreWatch[] = [];
  /** The front end has changed its state too soon: what it is by then counts later. */
  #isHeld = false;
  readonly #error: ErrorNode;
  readonly #work: KeptMemory;
  readonly #note: (change: Partial<GuestRecord>) => void;
  #connection: Connection | undefined;
  #state: number = initialising;
  #frontState: number = unknown;
  #retired = false;
  #frontClosed: (() => void) | undefined;

  constructor(terms: GuestBackendTerms) {
    const { platform, stub, guest, budget, record } = terms;
    this.#terms = terms;
    this.#work = (record && stub.journal.find(record.work, WORK_BYTES)) ?? stub.journal.allocate(WORK_BYTES);
    this.guest = guest;
    this.#note = (change) => stub.journal.guests.merge(terms.directory, change);
    this.directory = terms.directory;
    this.#error = new ErrorNode(platform.xenstore, terms.directory);
    this.#denials = new DenialRecord(guest.domain);
    const tenant: Tenant = {
      ...guest,
      denials: this.#denials,
      budget,
      refused: (denial) => setImmediate(() => terms.hooks.call('deniedWrite', denial)),
      settled: (status) => this.#connection?.server.settled(status),
      hold: (work) => (this.#connection === undefined ? work() : this.#connection.hold(work)),
      viewChanged: () => this.#showView(),
    };
    const { wall } = terms.hooks;
    const slots = new GuestSlots(wall, terms.mapper, tenant);
    this.#exports = new Exports({
      xenstore: platform.xenstore,
      stub,
      slots,
      wall,
      tenant,
      directory: terms.directory,
      changed: () => this.#showView(),
      drained: async () => this.#connection?.server.drained(),
    });
    const failed = (error: unknown): void => {
      budget.log.warn({ error: describeError(error) }, 'request failed inside');
    };
    this.#dispatcher = new Dispatcher(slots, failed, this.#work.memory);
    this.#look = coalesced(
      this.#queue,
      () => this.#step(),
      (error) => budget.log.error({ error: describeError(error) }, 'guest state not handled'),
    );
  }

  #showView(): void {
    this.#connection?.show(() => this.#exports.view(this.#dispatcher.counters));
  }

  /** Does what the lane has left after answering writes; it keeps off meanwhile. */
  readonly #catchUp = (refused: TakeRefused): void => {
    refused((address, write) => this.#exports.at(address)?.assignment?.space.refusedElsewhere(write));
    this.#exports.closeGates();
  };

  /** Starts serving: InitWait, then whatever the two ends' states ask for. */
  async start(): Promise<void> {
    await this.#queue.run(async () => {
      this.#note({ ...this.guest, frontend: this.#terms.frontend, work: this.#work.at });
      await this.#switch(initWait);
      await this.#watch();
    });
  }

  async #watch(): Promise<void> {
    const { platform, directory, frontend, budget } = this.#terms;
    const { xenstore } = platform;
    const own = xenstore.watch(directory, this.#look);
    this.#watches.push(...(await Promise.all([own, xenstore.watch(`${frontend}/state`, budget.paced(this.#look))])));
  }

  /** Goes on where an earlier process ended, unseen by the guest. A directory that is gone or another one ends it, else it is closed in order. */
  async resume({ keys, domain }: GuestRecord): Promise<void> {
    const { xenstore } = this.#terms.platform;
    await this.#queue.run(async () => {
      this.#note({ work: this.#work.at });
      // The guest waits: what can be asked at once is.
      const [state, frontState, owner] = await Promise.all([
        readState(xenstore, this.directory),
        readState(xenstore, this.#terms.frontend),
        xenstore.read(`${this.directory}/frontend-id`),
      ]);
      this.#state = state;
      this.#frontState = frontState;
      if (state === unknown || state === initialising || decimal(owner) !== domain) return this.#retire();
      const resuming = this.#exports.resume((address) => this.#dispatcher.wasInterrupted(address));
      await Promise.all([this.#watch(), resuming.catch((error: unknown) => this.#fatal(error))]);
      try {
        // One that is being closed too: it does not wait in vain for answers about devices that are not there any more.
        if (keys !== undefined && this.#state !== initWait && this.#state !== initialised) this.#connect(keys, true);
        else this.#note({ keys: undefined });
      } catch (error) {
        await this.#fatal(error);
      }
    });
  }

  has(device: SeizedDevice): boolean {
    return this.#exports.devices.includes(device);
  }

  /** Where the guest sees the device. */
  vdevOf(device: SeizedDevice): Bdf | undefined {
    return this.#exports.vdevOf(device);
  }

  /** What serves its ring, as others may use it; `undefined`: the guest is not connected. */
  get server(): Pick<RingServer, 'ring' | 'clock' | 'attach' | 'awaits' | 'asked'> | undefined {
    return this.#connection?.server;
  }

  report(): GuestReport {
    this.#connection?.catchUp();
    return {
      domain: this.guest.domain,
      name: this.guest.name,
      state: stateName(this.#state),
      requests: this.#dispatcher.requests(),
      errors: this.#dispatcher.statuses(),
      denials: this.#denials.list(),
      denied: { total: this.#denials.total, unrecorded: this.#denials.overflow },
      devices: this.#exports.devices.flatMap((device) => {
        const vdev = this.vdevOf(device);
        return vdev === undefined ? [] : [{ bdf: device.bdf, vdev, identity: device.identity }];
      }),
    };
  }

  /** Reads both states and takes the steps that are due. */
  async #step(): Promise<void> {
    if (this.#retired) return;
    const { platform, directory, frontend, budget } = this.#terms;
    const { xenstore } = platform;
    this.#state = await readState(xenstore, directory);
    const seen = await readState(xenstore, frontend);
    if (seen === unknown || seen === closed) this.#frontClosed?.();
    const isDue = (): boolean =>
      seen === unknown || seen === expectedNext[this.#state] || budget.takesState(this.#look);
    const wasHeld = this.#isHeld;
    if (wasHeld || seen !== this.#frontState) this.#isHeld = !isDue();
    if (seen !== this.#frontState && !this.#isHeld) {
      budget.log.info({ end: 'front', from: stateName(this.#frontState), to: stateName(seen) }, 'guest state');
      this.#frontState = seen;
    }
    const front = this.#frontState;
    // In state 1 the directory is another one than the one served here: it went and was made anew between two looks.
    if (this.#state === unknown || this.#state === initialising || front === unknown) return this.#retire();
    try {
      await this.#follow(front, wasHeld && !this.#isHeld);
    } catch (error) {
      // Whatever it was: what was written meanwhile comes back as an event, and a next attempt would only repeat it.
      await this.#fatal(error);
    }
  }

  async #follow(front: number, wasHeld: boolean): Promise<void> {
    switch (front) {
      case closing:
        await this.#disconnect();
        await this.#switch(closing);
        return;
      case closed:
        await this.#disconnect();
        await this.#switch(closed);
        // Unreadable counts as offline (D-X11).
        if (decimal(await this.#terms.platform.xenstore.read(`${this.#terms.directory}/online`)) !== 1)
          await this.#retire();
        return;
      case initialising:
        // A front end that comes back after closing (D-X12), even if its Closed passed between two looks.
        if (this.#state === closed || this.#connection !== undefined) await this.#restart();
        break;
      case initialised:
        // It may have been away and back.
        if (wasHeld && this.#connection !== undefined) await this.#restart();
        break;
      case reconfiguring:
        if (this.#state === reconfiguring) {
          await this.#reconcile('marked');
          await this.#switch(reconfigured);
        }
        break;
      case connected:
        // D-X3: only an end that is attached can be connected.
        if (this.#state === reconfigured && this.#connection !== undefined) await this.#switch(connected);
        break;
    }
    // Whatever the front end says meanwhile.
    if (this.#state === initWait) {
      await this.#reconcile('all');
      await this.#switch(initialised);
    } else if (this.#state === initialised) {
      await this.#reconcile('marked');
    }
    if (this.#state === initialised && front === initialised) await this.#attach();
  }

  /**
   * Exports and removes what the toolstack asks for. An entry that fails is marked and reported; the others go on
   * (D-X1). Only when no device is left to serve is it the end of the guest's back end.
   */
  async #reconcile(which: 'all' | 'marked'): Promise<void> {
    const errors = await this.#exports.reconcile(which);
    for (const error of errors) await this.#error.write(describeError(error));
    if (which === 'all' && errors.length > 0 && this.#exports.devices.length === 0) throw errors[0];
  }

  async #attach(): Promise<void> {
    const { platform, frontend, guest, hooks, budget } = this.#terms;
    const keys = await readFrontendKeys(platform.xenstore, frontend);
    await this.#disconnect();
    this.#note({ keys });
    this.#connect(keys, false);
    await this.#switch(connected);
    budget.log.info({ devices: this.#exports.devices.length }, 'guest connected');
    hooks.call('guestConnected', guest);
  }

  #connect(keys: FrontendKeys, resumed: boolean): void {
    const { platform, guest, hooks } = this.#terms;
    this.#connection = new Connection(platform, keys, {
      domain: guest.domain,
      dispatcher: this.#dispatcher,
      leftWork: this.#catchUp,
      resumed,
      patience: { milliseconds: hooks.deadline('later'), overdue: (request) => this.#exports.overdue(request) },
    });
    this.#showView();
    if (resumed) hooks.call('guestResumed', guest, this.#exports.devices);
  }

  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined) return;
    // Until it is closed it is the one that hears how a slow request ended: close waits for that.
    await connection.close();
    this.#connection = undefined;
    this.#note({ keys: undefined });
    const { guest, hooks, budget } = this.#terms;
    budget.log.info({}, 'guest disconnected');
    hooks.call('guestDisconnected', guest);
  }

  async #restart(): Promise<void> {
    await this.#disconnect();
    await this.#switch(closed);
    await this.#exports.giveBackAll();
    await this.#switch(initWait);
  }

  /** Nothing goes on for this guest: the error is in the store, the back end closes, its devices come back. */
  async #fatal(error: unknown): Promise<void> {
    this.#terms.budget.log.error({ error: describeError(error) }, 'guest failed');
    await this.#error.write(describeError(error));
    await this.#disconnect();
    await this.#switch(closing);
    await this.#exports.giveBackAll();
  }

  /**
   * Changes the own state, unless the directory is gone or another one: a vanished guest is not resurrected. A state
   * that the toolstack wrote meanwhile stays, except at the end: what it asks for is done at the next look.
   */
  async #switch(next: number): Promise<void> {
    const { platform, directory, budget } = this.#terms;
    const seen = this.#state;
    const previous = await platform.xenstore.transaction(async (view) => {
      const current = decimal(await view.read(`${directory}/state`));
      if (current === undefined || (current === initialising && next !== initWait)) return undefined;
      if (current !== seen && next !== closing && next !== closed) return undefined;
      if (current !== next) await view.write(`${directory}/state`, String(next));
      return current;
    });
    if (previous === undefined) return;
    this.#state = next;
    if (previous === next) return;
    budget.log.info({ end: 'back', from: stateName(previous), to: stateName(next) }, 'guest state');
  }

  /** Ends this back end: disconnected, every device returned, watches closed. */
  async #retire(): Promise<void> {
    if (this.#retired) return;
    this.#retired = true;
    await this.#disconnect();
    await this.#exports.giveBackAll();
    await this.#switch(closed);
    const { budget, stub } = this.#terms;
    stub.journal.guests.delete(this.directory);
    stub.journal.free(this.#work);
    budget.log.info({ ...this.#exports.returned }, 'released');
    budget.close();
    this.#terms.retired();
    for (const watch of this.#watches.splice(0)) await watch.close();
    await this.#error.forget();
  }

  /** Lets go when the request at work is done, without a word to the guest: a next process is to go on with it. */
  async leave(): Promise<void> {
    await this.#queue.run(async () => {
      this.#retired = true;
      await this.#connection?.close();
      for (const watch of this.#watches.splice(0)) await watch.close();
    });
  }

  /**
   * Ends this back end from our side: tells the guest (Closing), gives it time to close its end, then lets go.
   *
   * @param patience milliseconds to wait for the front end
   */
  async shutdown(patience: number): Promise<void> {
    const waits = await this.#queue.run(async () => {
      if (this.#retired) return false;
      await this.#switch(closing);
      return this.#connection !== undefined && this.#frontState !== closed && this.#frontState !== unknown;
    });
    if (waits) {
      await new Promise<void>((resolve) => {
        const cancel = this.#terms.platform.clock.after(patience, resolve);
        this.#frontClosed = () => {
          cancel();
          resolve();
        };
        this.#look();
      });
    }
    await this.#queue.run(() => this.#retire());
  }
}

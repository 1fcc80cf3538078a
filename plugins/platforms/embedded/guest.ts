// SPDX-License-Identifier: MIT

import type { Clock, StoreView, StoreWatch } from '../../../core/platform/index.ts';
import { commandNames, PROTOCOL_MAGIC, Verdict } from '../../../core/ring/layout.ts';
import { XenbusState } from '../../../core/xenbus/nodes.ts';
import { GuestConfig, type GuestDevice, type GuestRefusal, type Place } from './guest-device.ts';
import { GuestDriver } from './guest-driver.ts';
import { GuestLines } from './guest-lines.ts';
import { type AerHandler, type AerRequest, FrontRing, type GuestAnswer, type GuestRequest } from './guest-ring.ts';
import { scanRoot } from './guest-scan.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { EmbeddedStore, StoreConnection } from './store.ts';

export { XenbusState };

export interface GuestOptions {
  readonly domain: number;
  /** `none`: the kernel finds the devices, no driver binds to them. Default `exercise`. */
  readonly driver?: 'exercise' | 'none';
  /** Answers error requests for devices that are there; default: can recover, recovered. */
  readonly aer?: AerHandler;
}

/** What the guest found and did. */
export interface GuestReport {
  readonly domain: number;
  readonly state: number;
  readonly roots: readonly { readonly segment: number; readonly bus: number }[];
  readonly devices: readonly GuestDevice[];
  /** Requests by command name. */
  readonly requests: Readonly<Record<string, number>>;
  readonly refusals: readonly GuestRefusal[];
  /** Line interrupts that were received, by line. */
  readonly lines: Readonly<Record<number, number>>;
  /** Error requests that were received. */
  readonly aer: readonly AerRequest[];
}

/** A running guest with the stock front end. */
export interface IncludedGuest {
  readonly domain: number;
  /** The shared page, for guests that do what they should not; `undefined` before the device was probed. */
  page(): ArrayBufferLike | undefined;
  /** Resolves when the front end is in that state and has done what belongs to it (at 4: scan and drivers). */
  reached(state: number): Promise<GuestReport>;
  report(): GuestReport;
  /** Sends any request, also a hostile one; waits for its turn and its answer. */
  request(request: GuestRequest): Promise<GuestAnswer>;
  /** Sends an event with nothing behind it. */
  notify(): void;
  /** Orderly end: drivers stop, the front end goes to Closing and Closed. */
  stop(): Promise<void>;
  /** The guest's kernel stops here and now; nothing is told to anybody. */
  crash(): void;
}

interface Parties {
  readonly hypervisor: Hypervisor;
  readonly store: EmbeddedStore;
  readonly clock: Clock;
}

const answers: Record<number, number> = {
  6: Verdict.canRecover,
  7: Verdict.none,
  8: Verdict.recovered,
  9: Verdict.recovered,
};

class Guest implements IncludedGuest {
  readonly domain: number;
  readonly #parties: Parties;
  readonly #options: GuestOptions;
  readonly #store: StoreConnection;
  readonly #front: string;
  readonly #devices = new Map<string, GuestDevice>();
  readonly #drivers = new Map<GuestDevice, GuestDriver>();
  readonly #lines: GuestLines;
  readonly #aerSeen: AerRequest[] = [];
  readonly #waiters: { state: number; resolve: (report: GuestReport) => void; reject: (error: Error) => void }[] = [];
  #roots: { segment: number; bus: number }[] = [];
  #watches: StoreWatch[] = [];
  #back = '';
  #own = 0;
  #ring: FrontRing | undefined;
  #config: GuestConfig | undefined;
  #reference = 0;
  /** Own states of which all work is done. */
  #settled = 0;
  #events = Promise.resolve();
  #queued = false;
  #ended: Error | undefined;

  constructor(parties: Parties, options: GuestOptions) {
    this.#parties = parties;
    this.#options = options;
    this.domain = options.domain;
    this.#lines = new GuestLines(parties.hypervisor, options.domain);
    this.#store = parties.store.connect(options.domain);
    this.#front = `/local/domain/${options.domain}/device/pci/0`;
  }

  async start(): Promise<void> {
    this.#watches.push(await this.#store.watch(`${this.#front}/state`, () => this.#wake()));
  }

  page(): ArrayBufferLike | undefined {
    return this.#ring?.page;
  }

  report(): GuestReport {
    const counts = [...(this.#ring?.counts ?? [])].map(([cmd, count]) => [
      commandNames[cmd] ?? `command ${cmd}`,
      count,
    ]);
    return {
      domain: this.domain,
      state: this.#own,
      roots: [...this.#roots],
      devices: [...this.#devices.values()],
      requests: Object.fromEntries(counts),
      refusals: [...(this.#config?.refusals ?? [])],
      lines: this.#lines.received,
      aer: [...this.#aerSeen],
    };
  }

  reached(state: number): Promise<GuestReport> {
    if (this.#settled === state) return Promise.resolve(this.report());
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => this.#waiters.push({ state, resolve, reject }));
  }

  async request(request: GuestRequest): Promise<GuestAnswer> {
    if (!this.#ring) throw new Error('the guest has no PCI front end yet');
    return this.#ring.request(request);
  }

  notify(): void {
    this.#ring?.notify();
  }

  async stop(): Promise<void> {
    await this.#events;
    if (this.#ended) return;
    await this.#removeDevices([...this.#devices.values()]);
    if (this.#own !== XenbusState.closed && this.#own !== XenbusState.unknown) {
      await this.#switch(XenbusState.closing);
      await this.#switch(XenbusState.closed);
    }
    this.#settle();
    this.#dropRing();
    this.crash();
  }

  crash(): void {
    this.#end(new Error(`guest ${this.domain} has ended`));
  }

  #end(why: Error): void {
    if (this.#ended) return;
    this.#ended = why;
    this.#ring?.halt(why);
    this.#lines.halt();
    this.#store.close();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(why);
  }

  /** At most one pending event: each re-reads the states. */
  #wake(): void {
    if (this.#queued || this.#ended) return;
    this.#queued = true;
    this.#events = this.#events.then(async () => {
      this.#queued = false;
      if (this.#ended) return;
      try {
        await this.#react();
      } catch (error) {
        // A kernel without its store, or one that was stopped in the middle of a request, goes no further.
        this.#end(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  async #react(): Promise<void> {
    const own = await this.#store.read(`${this.#front}/state`);
    if (own === undefined) return this.#vanished();
    if (this.#own === XenbusState.unknown) {
      if (own !== '1') return;
      await this.#probe();
    }
    await this.#backendChanged(Number((await this.#store.read(`${this.#back}/state`)) ?? '0'));
    this.#settle();
  }

  /** Publishes page and channel and waits for the back end, without looking at it. */
  async #probe(): Promise<void> {
    const { hypervisor, clock } = this.#parties;
    const backendDomain = Number((await this.#store.read(`${this.#front}/backend-id`)) ?? '0');
    this.#back = (await this.#store.read(`${this.#front}/backend`)) ?? '';
    this.#own = XenbusState.initialising;
    const kernel = hypervisor.domain(this.domain);
    const ring = new FrontRing(kernel.allocatePage(), clock, (request) => this.#aer(request));
    const channel = kernel.ports.allocUnbound(backendDomain, () => ring.onEvent());
    ring.connect(channel);
    this.#ring = ring;
    this.#config = new GuestConfig(ring);
    this.#reference = kernel.grantAccess(backendDomain, ring.page);
    await this.#store.transaction(async (view) => {
      await view.write(`${this.#front}/pci-op-ref`, String(this.#reference));
      await view.write(`${this.#front}/event-channel`, String(channel.port));
      await view.write(`${this.#front}/magic`, PROTOCOL_MAGIC);
    });
    await this.#switch(XenbusState.initialised);
    this.#watches.push(await this.#store.watch(`${this.#back}/state`, () => this.#wake()));
  }

  async #backendChanged(state: number): Promise<void> {
    const own = this.#own;
    if (state === XenbusState.connected && own === XenbusState.initialised) {
      await this.#connect();
    } else if (state === XenbusState.reconfiguring && own === XenbusState.connected) {
      await this.#detach();
      await this.#switch(XenbusState.reconfiguring);
    } else if (state === XenbusState.reconfiguring && own === XenbusState.initialised) {
      await this.#switch(XenbusState.reconfiguring);
    } else if (state === XenbusState.reconfigured && own === XenbusState.reconfiguring) {
      await this.#connect();
    } else if ((state === XenbusState.closing || state === XenbusState.closed) && own < XenbusState.closing) {
      if (own === XenbusState.connected) await this.#removeDevices([...this.#devices.values()]);
      await this.#switch(XenbusState.closed);
    }
  }

  /** Scans all roots for functions that are new, tells that it is connected, and lets drivers bind. */
  async #connect(): Promise<void> {
    const config = this.#config;
    if (!config) return;
    this.#roots = await this.#readRoots();
    const found: GuestDevice[] = [];
    for (const root of this.#roots) {
      found.push(...(await scanRoot(config, root, (at) => this.#devices.has(keyOf(at)))));
    }
    for (const device of found) this.#devices.set(keyOf(device), device);
    await this.#switch(XenbusState.connected);
    if (this.#options.driver === 'none') return;
    for (const device of found) {
      if (device.headerType !== 0) continue;
      const driver = new GuestDriver(config, device, this.#lines);
      this.#drivers.set(device, driver);
      await driver.start();
    }
  }

  async #readRoots(): Promise<{ segment: number; bus: number }[]> {
    const count = await this.#store.read(`${this.#back}/root_num`);
    if (count === undefined) return [{ segment: 0, bus: 0 }];
    const roots: { segment: number; bus: number }[] = [];
    for (let index = 0; index < Number(count); index += 1) {
      const text = (await this.#store.read(`${this.#back}/root-${index}`)) ?? '';
      const match = /^([0-9a-f]+):([0-9a-f]+)$/.exec(text);
      if (!match) throw new Error(`guest ${this.domain}: root-${index} is "${text}"`);
      roots.push({ segment: Number.parseInt(match[1] ?? '', 16), bus: Number.parseInt(match[2] ?? '', 16) });
    }
    return roots;
  }

  /** Removes the functions that the toolstack wants back. */
  async #detach(): Promise<void> {
    const count = Number((await this.#store.read(`${this.#back}/num_devs`)) ?? '0');
    for (let index = 0; index < count; index += 1) {
      if ((await this.#store.read(`${this.#back}/state-${index}`)) !== '5') continue;
      const text = (await this.#store.read(`${this.#back}/vdev-${index}`)) ?? '';
      const match = /^([0-9a-f]+):([0-9a-f]+):([0-9a-f]+)\.([0-9a-f]+)$/.exec(text);
      if (!match) throw new Error(`guest ${this.domain}: vdev-${index} is "${text}"`);
      const [segment = 0, bus = 0, slot = 0, fn = 0] = match.slice(1).map((one) => Number.parseInt(one, 16));
      const device = this.#devices.get(keyOf({ segment, bus, devfn: (slot << 3) | fn }));
      if (device) await this.#removeDevices([device]);
    }
  }

  async #removeDevices(devices: readonly GuestDevice[]): Promise<void> {
    for (const device of devices) {
      await this.#drivers.get(device)?.stop();
      this.#drivers.delete(device);
      this.#devices.delete(keyOf(device));
    }
  }

  /** The toolstack took the directory away: the last function was removed, another may come later. */
  #vanished(): void {
    if (this.#own === XenbusState.unknown) return;
    this.#devices.clear();
    this.#drivers.clear();
    this.#lines.releaseAll();
    this.#dropRing();
    this.#own = XenbusState.unknown;
    this.#settle();
  }

  #dropRing(): void {
    this.#ring?.close();
    if (this.#ring && this.#parties.hypervisor.exists(this.domain)) {
      this.#parties.hypervisor.domain(this.domain).endAccess(this.#reference);
    }
    this.#ring = undefined;
    // Only the watch on the own directory is kept.
    for (const watch of this.#watches.splice(1)) void watch.close();
  }

  /** As the XenBus helper: nothing is written when the node is gone; the new state is remembered either way. */
  async #switch(state: number): Promise<void> {
    if (this.#own === state) return;
    await this.#store.transaction(async (view: StoreView) => {
      if ((await view.read(`${this.#front}/state`)) !== undefined) {
        await view.write(`${this.#front}/state`, String(state));
      }
    });
    this.#own = state;
  }

  #settle(): void {
    this.#settled = this.#own;
    const report = this.report();
    for (const waiter of this.#waiters.splice(0)) {
      if (waiter.state === this.#own) waiter.resolve(report);
      else this.#waiters.push(waiter);
    }
  }

  #aer(request: AerRequest): number | 'silent' {
    this.#aerSeen.push(request);
    const device = this.#devices.get(keyOf({ segment: request.domain, bus: request.bus, devfn: request.devfn }));
    if (!device || !this.#drivers.has(device)) return Verdict.none;
    return this.#options.aer?.(request) ?? answers[request.cmd] ?? Verdict.none;
  }
}

const keyOf = ({ segment, bus, devfn }: Place): string => `${segment}:${bus}:${devfn}`;

/**
 * Boots a guest kernel in a domain that exists: it probes the PCI front end as soon as the toolstack has made its nodes.
 *
 * Failures after the start show in `reached`, which rejects.
 */
export const startGuest = async (parties: Parties, options: GuestOptions): Promise<IncludedGuest> => {
  const guest = new Guest(parties, options);
  await guest.start();
  return guest;
};

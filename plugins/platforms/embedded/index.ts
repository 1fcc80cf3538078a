// SPDX-License-Identifier: MIT

import type { Census, Clock, Holding, HostErrors, Platform } from '../../../core/platform/index.ts';
import { Holdings } from '../holdings.ts';
import { createBus, type EmbeddedBus } from './bus.ts';
import { realClock } from './clock.ts';
import { createErrors } from './errors.ts';
import { type GuestOptions, type IncludedGuest, startGuest } from './guest.ts';
import { Hypervisor, type PageSource } from './hypervisor.ts';
import type { DeviceImage } from './image.ts';
import type { Duties } from './journal.ts';
import type { Lines } from './lines.ts';
import { type Called, createSession, type Session } from './session.ts';
import { createStore, type EmbeddedStore, type StoreConnection } from './store.ts';
import { createToolstack, type Toolstack } from './toolstack.ts';

export type { EmbeddedBus } from './bus.ts';
export type { PciModel } from './device.ts';
export { type GuestOptions, type GuestReport, type IncludedGuest, XenbusState } from './guest.ts';
export type { GuestBar, GuestDevice, GuestRefusal, GuestWrite } from './guest-device.ts';
export type { AerHandler, AerRequest, GuestAnswer, GuestRequest } from './guest-ring.ts';
export type { Hypervisor, Ledger, PageSource } from './hypervisor.ts';
export type { DeviceImage } from './image.ts';
export type { Duties } from './journal.ts';
export type { LineReport, Lines } from './lines.ts';
export type { Called, Session } from './session.ts';
export * from './sources.ts';
export type { DomainOptions, PlugOptions, Toolstack } from './toolstack.ts';

export interface EmbeddedOptions {
  /** The functions of the host; see `hostDevices`, `parseDump`, `samples`. */
  readonly devices: readonly DeviceImage[];
  /** Default: the real one. */
  readonly clock?: Clock;
  /** Default: lenient, as a real host is. */
  readonly duties?: Duties;
  /** Interrupts after which the host shuts off a line that hardly anybody there claims. Default: 100,000, as Linux. */
  readonly nobodyCaresAfter?: number;
  /** Memory of guests, where another process has to get at it. Default: memory of this process. */
  readonly pages?: PageSource;
}

/** Xen in this process: a platform, and the other parties that a real Xen would have. */
export interface EmbeddedPlatform extends Platform {
  readonly lines: Lines;
  readonly xenstore: StoreConnection;
  readonly pci: EmbeddedBus;
  readonly hypervisor: Hypervisor;
  readonly store: EmbeddedStore;
  readonly toolstack: Toolstack;
  readonly errors: Required<Omit<HostErrors, 'watch'>>;
  held(): readonly Holding[];
  census(): readonly Census[];
  /**
   * The same Xen, for a process of its own that can be killed.
   */
  session(called?: Called): Session;
  /** Boots the included guest in a domain that the toolstack has made. */
  startGuest(options: GuestOptions): Promise<IncludedGuest>;
}

/** What the hypervisor says that domain 0 holds; lines are mapped by the toolstack, and not counted. */
const censusOf = (hypervisor: Hypervisor): readonly Census[] => {
  const { mapped, bound, pirqs } = hypervisor.ledger();
  const source = 'hypervisor';
  return [
    { kind: 'page', count: mapped.filter(({ by }) => by === 0).length, source },
    { kind: 'channel', count: bound.filter(({ domain }) => domain === 0).length, source },
    { kind: 'pirq', count: pirqs.filter(({ kind }) => kind !== 'line').length, source },
  ];
};

/**
 * Makes an embedded Xen with these devices.
 *
 * Nothing runs while nothing happens: no timer, no polling.
 */
export const createEmbeddedPlatform = (options: EmbeddedOptions): EmbeddedPlatform => {
  const clock = options.clock ?? realClock;
  const hypervisor = new Hypervisor(options.duties, options.nobodyCaresAfter, options.pages);
  const store = createStore();
  const pci = createBus(options.devices, {
    illegal: (line) => hypervisor.noteIllegal(line),
    note: (line) => hypervisor.note(line),
    line: (model) => hypervisor.lines.follow(model),
  });
  for (const model of pci.models()) {
    hypervisor.addFunction(model);
    hypervisor.lines.connect(model);
  }
  const host = hypervisor.domain(0);
  const toolstack = createToolstack({ hypervisor, store, pci, clock });
  const xenstore = store.connect(0);
  const holdings = new Holdings();
  const platform: EmbeddedPlatform = {
    name: 'embedded',
    domain: 0,
    xenstore,
    grants: holdings.grants(host.grants),
    events: holdings.events(host.events),
    pci,
    interrupts: holdings.interrupts(hypervisor.interrupts),
    lines: hypervisor.lines,
    clock,
    hypervisor,
    store,
    toolstack,
    errors: createErrors(pci, (line) => hypervisor.note(line)),
    domains: { destroy: (domain) => toolstack.destroy(domain) },
    held: () => [...holdings.all, ...xenstore.watched().map((what) => ({ kind: 'watch' as const, what }))],
    census: () => censusOf(hypervisor),
    session: (called) => createSession(platform, called),
    startGuest: (guest) => startGuest({ hypervisor, store, clock }, guest),
    close: async () => {
      host.release();
      xenstore.close();
    },
  };
  return platform;
};

// SPDX-License-Identifier: MIT

import { type Bdf, parseBdf } from '../bdf.ts';
import type { GuestBudgets } from '../budget.ts';
import { describeError, isPcibackError } from '../errors/index.ts';
import type { GuestFacts } from '../facts.ts';
import type { Hooks, Owned } from '../hooks/index.ts';
import type { GuestRecord } from '../journal.ts';
import type { Logger } from '../log.ts';
import type { Platform, StoreWatch } from '../platform/index.ts';
import { coalesced, SerialQueue } from '../serial-queue.ts';
import type { SlotMapper } from '../slots.ts';
import type { Stub } from '../stub/index.ts';
import { GuestBackend } from './guest-backend.ts';
import { backEnds, decimal, readState, stateName, XenbusState } from './nodes.ts';

/** What finding guests needs. */
export interface DiscoveryTerms {
  readonly platform: Platform;
  readonly stub: Stub;
  readonly hooks: Hooks;
  readonly log: Logger;
  readonly budgets: GuestBudgets;
  /** The slot mapper for a guest, by its name. */
  readonly mapper: (guestName: string) => Owned<SlotMapper>;
}

/** Finds guests that want PCI devices and keeps one {@link GuestBackend} for each. */
export class Discovery {
  readonly #terms: DiscoveryTerms;
  readonly #root: string;
  readonly #queue = new SerialQueue();
  readonly #guests = new Map<string, GuestBackend>();
  /** Directories that are not served: they were there already and are not ours to take over, or they failed; said once each. */
  readonly #foreign = new Set<string>();
  /** Functions of guests in such directories. */
  readonly #others = new Map<string, readonly Bdf[]>();
  #watch: StoreWatch | undefined;
  #lookAgain: (() => void) | undefined;

  constructor(terms: DiscoveryTerms) {
    this.#terms = terms;
    this.#root = `/local/domain/${terms.platform.domain}/backend/pci`;
    terms.stub.foreign = (address) => [...this.#others].find(([, devices]) => devices.includes(address))?.[0];
  }

  get guests(): readonly GuestBackend[] {
    return [...this.#guests.values()];
  }

  /** Goes on with all guests that an earlier process served, at once; notes what others serve. Before anything is seized. */
  async resume(): Promise<void> {
    const { platform, stub, log } = this.#terms;
    const resume = async ([directory, record]: readonly [string, GuestRecord]): Promise<void> => {
      try {
        await this.#backend(directory, record.frontend, record, record).resume(record);
      } catch (error) {
        this.#guests.delete(directory);
        log.error({ directory, error: describeError(error) }, 'guest of an earlier process not continued');
      }
    };
    await Promise.all([...stub.journal.guests].map(resume));
    for (const [, directory] of await backEnds(platform.xenstore, this.#root)) {
      if (!this.#guests.has(directory))
        await this.#leaveAlone(directory, await readState(platform.xenstore, directory));
    }
  }

  /** What another back end serves, or left, is not touched. @returns whether it is such */
  async #leaveAlone(directory: string, state: number): Promise<boolean> {
    if (state === XenbusState.initialising) return false;
    if (state === XenbusState.unknown || state === XenbusState.closed || this.#foreign.has(directory)) return true;
    const { platform, log } = this.#terms;
    const count = decimal(await platform.xenstore.read(`${directory}/num_devs`)) ?? 0;
    const devices: Bdf[] = [];
    for (let index = 0; index < Math.min(count, 1024); index++) {
      try {
        devices.push(parseBdf((await platform.xenstore.read(`${directory}/dev-${index}`)) ?? ''));
      } catch (error) {
        if (!isPcibackError(error)) throw error;
      }
    }
    this.#foreign.add(directory);
    this.#others.set(directory, devices);
    log.warn({ directory, state: stateName(state) }, 'served by another back end, or left by one: not taken over');
    return true;
  }

  #backend(directory: string, frontend: string, { domain, name }: GuestFacts, record?: GuestRecord): GuestBackend {
    const { platform, stub, hooks, budgets, mapper } = this.#terms;
    const budget = budgets.of(domain);
    if (record === undefined) budget.log.info({ name }, 'guest found');
    const backend = new GuestBackend({
      platform,
      stub,
      hooks,
      budget,
      mapper: mapper(name),
      directory,
      frontend,
      guest: { domain, name },
      ...(record === undefined ? {} : { record }),
      retired: () => {
        this.#guests.delete(directory);
        // It may be there again: made anew while the old one was being ended.
        this.#lookAgain?.();
      },
    });
    this.#guests.set(directory, backend);
    return backend;
  }

  async start(): Promise<void> {
    const { platform, log } = this.#terms;
    const look = coalesced(
      this.#queue,
      () => this.#look(),
      (error) => log.error({ error: describeError(error) }, 'guests not read'),
    );
    // The watch fires for everything below, the guests' own state changes too; only new directories matter here.
    const depth = this.#root.split('/').length + 3;
    this.#lookAgain = look;
    this.#watch = await platform.xenstore.watch(this.#root, (path) => {
      const parts = path.split('/');
      const known = this.#guests.has(parts.slice(0, depth - 1).join('/'));
      if (parts.length < depth || (!known && parts.at(-1) === 'state')) look();
    });
  }

  async #look(): Promise<void> {
    const { platform, log } = this.#terms;
    const { xenstore } = platform;
    const present = new Set<string>();
    for (const [, directory] of await backEnds(xenstore, this.#root)) {
      present.add(directory);
      if (this.#guests.has(directory)) continue;
      try {
        await this.#consider(directory);
      } catch (error) {
        this.#guests.delete(directory);
        if (!this.#foreign.has(directory)) log.error({ directory, error: describeError(error) }, 'guest not served');
        this.#foreign.add(directory);
      }
    }
    for (const directory of this.#foreign) {
      const state = present.has(directory) ? await readState(xenstore, directory) : XenbusState.unknown;
      if (state === XenbusState.unknown || state === XenbusState.closed) this.#others.delete(directory);
      if (!present.has(directory)) this.#foreign.delete(directory);
    }
  }

  async #consider(directory: string): Promise<void> {
    const { xenstore } = this.#terms.platform;
    if (await this.#leaveAlone(directory, await readState(xenstore, directory))) return;
    const domain = decimal(await xenstore.read(`${directory}/frontend-id`));
    const frontend = await xenstore.read(`${directory}/frontend`);
    if (domain === undefined || frontend === undefined || (await xenstore.read(`${frontend}/state`)) === undefined)
      return;
    const name = (await xenstore.read(`${directory}/domain`)) ?? `domain ${domain}`;
    await this.#backend(directory, frontend, { domain, name }).start();
  }

  /** Stops looking for guests and ends the ones there are, all at the same time. */
  stop(patience: number): Promise<void> {
    return this.#end((guest) => guest.shutdown(patience));
  }

  /** As {@link stop}, but guests are told nothing: a next process is to go on with them. */
  leave(): Promise<void> {
    return this.#end((guest) => guest.leave());
  }

  async #end(each: (guest: GuestBackend) => Promise<void>): Promise<void> {
    this.#lookAgain = undefined;
    await this.#watch?.close();
    await this.#queue.idle();
    await Promise.all(this.guests.map(each));
  }
}

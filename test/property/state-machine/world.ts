// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { isPcibackError } from '../../../core/errors/index.ts';
import { Pciback } from '../../../core/pciback.ts';
import { HostError, type Platform } from '../../../core/platform/index.ts';
import { SerialQueue } from '../../../core/serial-queue.ts';
import { guestBudgets } from '../../../plugins/guest-budgets.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/index.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { PartRunner } from '../../../plugins/program/part-runner.ts';
import { type EmbeddedHost, type LogLine, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { createManualClock, type ManualClock } from '../../kit/manual-clock.ts';
import { SeededRandom } from '../../kit/seeded-random.ts';
import { turn, type UnrulyStore, unrulyStore } from '../../kit/unruly-store.ts';
import { HostileFront } from './hostile-front.ts';

/** Functions of the host; the root port can be seized but placed nowhere. */
const names = ['e1000e', 'igb', 'igb-vf', 'nvme', 'tg3', 'rtl8139', 'uhci-1', 'root-port'] as const;

/** Functions that are made to fail: what that leaves behind is not held against anybody. */
const frail: readonly (typeof names)[number][] = ['tg3', 'nvme', 'rtl8139', 'uhci-1'];

/** Turns of the event loop without any change after which nothing more will happen. */
const QUIET = 16;
/** Turns without a change after which time goes on, and how far it goes, in milliseconds. */
const PAUSE = 4;
const TICK = 50;
/** Turns after which work that has not ended is taken for a live lock. */
const BOUND = 20_000;

/** A domain of the host, with what runs in it. */
export interface Domain {
  readonly id: number;
  readonly front: HostileFront | undefined;
  readonly stock: IncludedGuest | undefined;
  /** The toolstack works on it: it does one thing at a time for a domain. */
  busy: boolean;
}

/** One host that is treated badly: pciback over a slow store, guests of every kind, and the operator. */
export class World {
  readonly random: SeededRandom;
  readonly clock: ManualClock;
  readonly host: EmbeddedHost;
  readonly devices: readonly Bdf[];
  /** Those of them that may be made to fail. */
  readonly frail: readonly Bdf[];
  readonly domains = new Map<number, Domain>();
  /** What went wrong; the run ends with the first. */
  readonly violations: string[] = [];
  /** How often pciback logged each message: what a run has been through. */
  readonly seen = new Map<string, number>();
  readonly #connection: () => UnrulyStore;
  readonly #platform: Platform;
  readonly #outstanding = new Map<number, string>();
  /** Config space of each device when no guest has had it. */
  readonly #pristine = new Map<Bdf, Uint8Array>();
  readonly #operator = new SerialQueue();
  #next = 0;
  #pciback: Pciback | undefined;

  private constructor(
    random: SeededRandom,
    clock: ManualClock,
    host: EmbeddedHost,
    platform: Platform,
    connection: () => UnrulyStore,
    violations: string[],
  ) {
    this.random = random;
    this.clock = clock;
    this.host = host;
    this.violations = violations;
    this.#platform = platform;
    this.#connection = connection;
    this.devices = host.platform.pci.models().map((model) => model.bdf);
    this.frail = frail.map((name) => sample(name).bdf);
    this.#pciback = host.pciback;
  }

  /** @param delay most turns that the store holds one operation up */
  static async start(seed: number, delay: number): Promise<World> {
    const random = new SeededRandom(seed);
    const clock = createManualClock();
    const violations: string[] = [];
    let platform: Platform | undefined;
    let store: UnrulyStore | undefined;
    const host = await startEmbeddedHost({
      devices: names.map((name) => sample(name)),
      clock,
      config: { shutdownSeconds: 0.05, onReset: { failed: 'quarantine', unsupported: 'allow' } },
      between: (embedded) => {
        const illegal = (line: string): void => void violations.push(line);
        const unruly = unrulyStore(embedded.xenstore, { random, delay, illegal });
        store = unruly;
        platform = { ...embedded, xenstore: unruly };
        return platform;
      },
    });
    if (platform === undefined || store === undefined) throw new Error('the host was started without its platform');
    const slow = store;
    const world = new World(random, clock, host, platform, () => slow, violations);
    await world.#seizeAll();
    return world;
  }

  /** The service, unless it is being started anew at this moment. */
  get pciback(): Pciback | undefined {
    return this.#pciback;
  }

  get outstanding(): readonly string[] {
    return [...this.#outstanding.values()];
  }

  /** Lets work run beside the steps; a refusal is an answer, anything else that is thrown is a violation. */
  beside(what: string, work: () => Promise<unknown>): void {
    const key = this.#next++;
    this.#outstanding.set(key, what);
    const ended = (): void => void this.#outstanding.delete(key);
    work().then(ended, (error: unknown) => {
      ended();
      if (isPcibackError(error) || error instanceof HostError) return;
      this.violations.push(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
  }

  /** One thing of the toolstack for one domain; skipped while it does another one. */
  toolstack(domain: Domain, what: string, work: () => Promise<unknown>): void {
    if (domain.busy) return;
    domain.busy = true;
    this.beside(what, () =>
      work().finally(() => {
        domain.busy = false;
      }),
    );
  }

  /** Something that the operator asks the service for, one thing after the other; skipped when there is no service. */
  operator(what: string, work: (pciback: Pciback) => Promise<unknown>): void {
    this.beside(what, () => this.#operator.run(async () => this.#pciback && work(this.#pciback)));
  }

  /** A new domain with these devices and a front end that does what it likes, or the stock one. */
  create(devices: readonly Bdf[], kind: 'hostile' | 'stock'): void {
    this.beside(`create with ${devices.map(formatBdf).join(' ')}`, async () => {
      const { platform } = this.host;
      await this.#operator.run(async () => {
        for (const device of devices) await this.#pciback?.stub.seize(device);
      });
      const id = await platform.toolstack.create({ devices });
      const front = kind === 'hostile' ? new HostileFront(platform, this.random, id) : undefined;
      const stock = kind === 'stock' ? await platform.startGuest({ domain: id }) : undefined;
      this.domains.set(id, { id, front, stock, busy: false });
    });
  }

  destroy(domain: Domain): void {
    this.toolstack(domain, `destroy ${domain.id}`, async () => {
      if (this.random.oneIn(2)) this.#crash(domain);
      await this.host.platform.toolstack.destroy(domain.id);
      this.#forget(domain);
      await this.#dropRecords(domain.id);
    });
  }

  /** The hypervisor ends the domain now, whatever runs; its nodes go at once or a little later, in any order. */
  kill(domain: Domain): void {
    const { hypervisor, xenstore } = this.host.platform;
    if (!hypervisor.exists(domain.id)) return;
    const back = `/local/domain/0/backend/pci/${domain.id}`;
    const nodes = this.random.oneIn(2) ? [back, `/local/domain/${domain.id}`] : [`/local/domain/${domain.id}`, back];
    this.#forget(domain);
    this.beside(`kill ${domain.id}`, async () => {
      if (hypervisor.exists(domain.id)) hypervisor.destroyDomain(domain.id);
      for (const node of nodes) {
        for (let left = this.random.below(6); left > 0; left--) await turn();
        await xenstore.remove(node);
      }
      await this.#dropRecords(domain.id);
    });
  }

  /** The toolstack's notes of who has which device: spoiled nodes do not tell all of them. */
  async #dropRecords(domain: number): Promise<void> {
    const { xenstore } = this.host.platform;
    for (const address of this.devices) {
      const record = `/libxl/pci/${formatBdf(address).replaceAll(/[:.]/g, '-')}`;
      if ((await xenstore.read(`${record}/domid`)) === String(domain)) await xenstore.remove(record);
    }
  }

  #crash(domain: Domain): void {
    domain.front?.crash();
    domain.stock?.crash();
  }

  #forget(domain: Domain): void {
    this.#crash(domain);
    this.domains.delete(domain.id);
  }

  /** Stops the service, gives its devices to the host, and starts a new one on the same hypervisor. */
  restart(): void {
    this.operator('restart', async (old) => {
      this.#pciback = undefined;
      const left = await old.stop();
      if (left.mapped + left.bound + left.pirqs + left.assigned > 0)
        this.violations.push(`after the stop: ${JSON.stringify(left)}`);
      // A physical function takes its virtual ones with it.
      for (let one = old.stub.devices[0]; one !== undefined; one = old.stub.devices[0]) await old.stub.release(one.bdf);
      const { plugins, config, log } = this.host;
      const pciback = new Pciback({
        platform: this.#platform,
        plugins,
        config,
        log,
        budgets: guestBudgets(log, this.#platform.clock),
        parts: (engine) => new PartRunner({ engine, config, log }),
      });
      await pciback.start();
      this.#pciback = pciback;
      await this.#seizeAll();
    });
  }

  async #seizeAll(): Promise<void> {
    for (const address of this.devices) {
      await this.#pciback?.stub.seize(address);
      const now = this.host.platform.pci.model(address).snapshot();
      if (!this.#pristine.has(address)) this.#pristine.set(address, now);
    }
  }

  /** Config space as the first seizing left it. */
  pristine(address: Bdf): Uint8Array | undefined {
    return this.#pristine.get(address);
  }

  /** Runs everything that is under way to its end. What does not end though nothing happens any more never will. */
  async settle(): Promise<void> {
    let before = '';
    let quiet = 0;
    for (let turns = 0; quiet < QUIET || this.#outstanding.size > 0; turns++) {
      await turn();
      if (this.violations.length > 0) return;
      const now = this.#activity();
      quiet = now === before && this.#connection().inFlight() === 0 ? quiet + 1 : 0;
      before = now;
      // Time stands still as long as something happens without it.
      if (quiet >= PAUSE && this.clock.pending() > 0) {
        this.clock.advance(TICK);
        quiet = PAUSE - 1;
      }
      if (quiet > 2 * QUIET || turns > BOUND) {
        this.violations.push(`never ends: ${this.outstanding.join('; ')}; ${this.clock.pending()} timers wait`);
        return;
      }
    }
  }

  /** The log since the last call. */
  takeLines(): readonly LogLine[] {
    const lines = this.host.lines.splice(0);
    for (const { message } of lines) this.seen.set(message, (this.seen.get(message) ?? 0) + 1);
    return lines;
  }

  /** Changes whenever pciback or a guest does something that can be seen. */
  #activity(): string {
    const { hypervisor, store } = this.host.platform;
    return `${hypervisor.delivered} ${hypervisor.trace.length} ${store.conflicts()} ${this.host.lines.length}`;
  }
}

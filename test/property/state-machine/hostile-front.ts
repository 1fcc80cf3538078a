// SPDX-License-Identifier: MIT

import { isPcibackError } from '../../../core/errors/index.ts';
import { HostError, type StoreView } from '../../../core/platform/index.ts';
import { Command, MAX_VECTORS, Page, PROTOCOL_MAGIC, Verdict } from '../../../core/ring/layout.ts';
import { XenbusState } from '../../../core/xenbus/nodes.ts';
import { FrontRing, type GuestRequest } from '../../../plugins/platforms/embedded/guest-ring.ts';
import type { EmbeddedPlatform } from '../../../plugins/platforms/embedded/index.ts';
import type { StoreConnection } from '../../../plugins/platforms/embedded/store.ts';
import type { SeededRandom } from '../../kit/seeded-random.ts';

/** Numbers that programs go wrong with. */
const edges = [0, 1, 2, 3, 4, 8, 0x10, 0xff, 0x100, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** Values that no `state` node and no key should have. */
const garbage = ['', 'x', '-1', '4294967296', '0x4', '3 ', '99999999999999999999', '٣', 'NaN'];

/** A function that the guest has, with the registers whose writes are answered later. */
export interface SlowFunction {
  readonly devfn: number;
  /** Control words of its power management and PCI Express capabilities, as it has them. */
  readonly power: number | undefined;
  readonly express: number | undefined;
}

/** A guest's front end that does anything, in any order; the domain and its nodes are the toolstack's. */
export class HostileFront {
  readonly domain: number;
  readonly #platform: EmbeddedPlatform;
  readonly #random: SeededRandom;
  readonly #store: StoreConnection;
  readonly #front: string;
  #ring: FrontRing | undefined;
  #reference = 0;
  #dead = false;

  constructor(platform: EmbeddedPlatform, random: SeededRandom, domain: number) {
    this.#platform = platform;
    this.#random = random;
    this.domain = domain;
    this.#store = platform.store.connect(domain);
    this.#front = `/local/domain/${domain}/device/pci/0`;
  }

  get page(): ArrayBufferLike | undefined {
    return this.#ring?.page;
  }

  /** A new page and a new port, as a kernel has them that was just booted; the old ones are given up or not. */
  async probe(): Promise<void> {
    if (this.#dead || !this.#platform.hypervisor.exists(this.domain)) return;
    const kernel = this.#platform.hypervisor.domain(this.domain);
    if (!this.#random.oneIn(3)) {
      this.#ring?.close();
      kernel.endAccess(this.#reference);
    }
    this.#ring?.halt(new Error('the front end has ended'));
    const verdicts = [...Object.values(Verdict), 0, 77, 'silent'] as const;
    const ring = new FrontRing(kernel.allocatePage(), this.#platform.clock, () => this.#random.pick(verdicts));
    const channel = kernel.ports.allocUnbound(0, () => ring.onEvent());
    ring.connect(channel);
    this.#ring = ring;
    this.#reference = kernel.grantAccess(0, ring.page);
    await this.#change(async (view) => {
      await view.write(`${this.#front}/pci-op-ref`, String(this.#reference));
      await view.write(`${this.#front}/event-channel`, String(channel.port));
      await view.write(`${this.#front}/magic`, PROTOCOL_MAGIC);
      await view.write(`${this.#front}/state`, String(XenbusState.initialised));
    });
  }

  /** One step of what a stock front end would do next. */
  async follow(): Promise<void> {
    const own = await this.#read(`${this.#front}/state`);
    const back = await this.#read(`/local/domain/0/backend/pci/${this.domain}/0/state`);
    if (own === '1') await this.probe();
    else if (back === '4' && own === '3') await this.set('4');
    else if (back === '7' && (own === '3' || own === '4')) await this.set('7');
    else if (back === '8' && own === '7') await this.set('4');
    else if ((back === '5' || back === '6') && Number(own) < 5) await this.set('6');
    else if (own === '6' && back === '6') await this.set('1');
  }

  /** Writes its own state, whatever that is. */
  set(state: string): Promise<void> {
    return this.#change((view) => view.write(`${this.#front}/state`, state));
  }

  anyState(): Promise<void> {
    return this.set(this.#random.oneIn(6) ? this.#random.pick(garbage) : String(this.#random.below(10)));
  }

  toggle(): void {
    const states = [this.#random.below(9), this.#random.below(9)];
    for (let i = 0; i < 20; i++) void this.set(String(states[i % 2]));
  }

  /** Closed, and there again at once: the guest was restored, or booted anew from inside. */
  async comeBack(): Promise<void> {
    await this.set('6');
    await this.set('1');
    await this.probe();
  }

  spoilKey(): Promise<void> {
    const key = `${this.#front}/${this.#random.pick(['pci-op-ref', 'event-channel', 'magic', 'state', 'backend'])}`;
    const value = this.#random.oneIn(2) ? String(this.#random.pick(edges)) : this.#random.pick(garbage);
    return this.#change((view) => (this.#random.oneIn(3) ? view.remove(key) : view.write(key, value)));
  }

  /** Requests that wait for each other; nobody waits for their answers. */
  send(count: number): void {
    for (let i = 0; i < count; i++) this.#request(this.#any());
  }

  /** A request whose answer comes later: a power state, or a function-level reset. */
  sendSlow({ devfn, power, express }: SlowFunction): void {
    const write = { cmd: Command.confWrite, devfn, size: 2 };
    if (express !== undefined && (power === undefined || this.#random.oneIn(2)))
      this.#request({ ...write, offset: express, value: 0xa810 });
    else if (power !== undefined) this.#request({ ...write, offset: power, value: this.#random.below(4) });
  }

  /** A polite driver's interrupts. */
  sendInterrupts(): void {
    const cmd = this.#random.pick([
      Command.enableMsi,
      Command.disableMsi,
      Command.enableMsix,
      Command.enableMsix,
      Command.disableMsix,
    ]);
    const devfn = this.#devfn();
    this.#request({ cmd: Command.confWrite, devfn, offset: 4, size: 2, value: 0x6 });
    this.#request({ cmd, devfn, value: 3, entries: [0, 1, 2] });
  }

  /** Changes words of the page behind everybody's back. */
  scribble(): void {
    const page = this.page;
    if (page === undefined) return;
    const words = new Int32Array(page);
    for (let i = this.#random.below(8); i >= 0; i--) {
      words[this.#random.below(Page.used >> 2)] = this.#random.oneIn(2)
        ? this.#random.pick(edges)
        : this.#random.word();
    }
    if (this.#random.oneIn(2)) Atomics.or(words, 0, this.#random.below(8));
    this.#ring?.notify();
  }

  flood(events: number): void {
    for (let i = 0; i < events; i++) this.#ring?.notify();
  }

  /** The kernel stops here and now. */
  crash(): void {
    this.#dead = true;
    this.#ring?.halt(new Error('the front end has ended'));
    this.#store.close();
  }

  #devfn(): number {
    return this.#random.oneIn(2) ? 0 : this.#random.below(4) * 8 + this.#random.below(2);
  }

  #any(): GuestRequest {
    const { word, edge } = { word: () => this.#random.word(), edge: () => this.#random.pick(edges) };
    const number = (): number => (this.#random.oneIn(4) ? word() : edge());
    const offset = this.#random.oneIn(8) ? number() : this.#random.below(0x140);
    return {
      cmd: this.#random.oneIn(10) ? number() : this.#random.below(6),
      domain: this.#random.oneIn(12) ? number() : 0,
      bus: this.#random.oneIn(12) ? number() : 0,
      devfn: this.#random.oneIn(6) ? number() : this.#devfn(),
      offset,
      size: this.#random.oneIn(8) ? number() : this.#random.pick([1, 2, 4]),
      value: this.#random.oneIn(3) ? 1 + this.#random.below(4) : number(),
      entries: Array.from({ length: this.#random.below(this.#random.oneIn(8) ? MAX_VECTORS : 5) }, (_, index) =>
        this.#random.oneIn(10) ? word() & 0xffff : index,
      ),
    };
  }

  #request(request: GuestRequest): void {
    // Rejects when the ring is given up: nobody minds.
    this.#ring?.request(request).then(undefined, () => undefined);
  }

  async #read(path: string): Promise<string | undefined> {
    let value: string | undefined;
    await this.#tolerant(async () => {
      value = await this.#store.read(path);
    });
    return value;
  }

  async #change(work: (view: StoreView) => Promise<void>): Promise<void> {
    await this.#tolerant(() => this.#store.transaction(work));
  }

  /** The nodes may be gone, or the guest dead: both end what it wanted to do. */
  async #tolerant(work: () => Promise<void>): Promise<void> {
    if (this.#dead) return;
    try {
      await work();
    } catch (error) {
      if (!isPcibackError(error) && !(error instanceof HostError)) throw error;
    }
  }
}

// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, formatVdev } from '../../../../core/bdf.ts';
import { PcibackError } from '../../../../core/errors/index.ts';
import { type EventChannel, HostError, type MappedPage, type PciFunction } from '../../../../core/platform/index.ts';
import { Command, Flag, Page, Status } from '../../../../core/ring/layout.ts';
import type { EmbeddedPlatform } from '../../../../plugins/platforms/embedded/index.ts';

/**
 * The smallest back end that satisfies the included guest: it passes every access through to the device, gives slot N to
 * the Nth device, and answers with nothing but the six codes. Its own, so that the platform is tested without the core.
 */
export class TinyBackend {
  /** A request is answered only while this is true. */
  answering = true;
  requests = 0;
  readonly #xen: EmbeddedPlatform;
  readonly #domain: number;
  readonly #slots: (PciFunction | undefined)[] = [];
  readonly #pirqs = new Map<PciFunction, number[]>();
  #page: MappedPage | undefined;
  #channel: EventChannel | undefined;
  #words: Int32Array = new Int32Array(1);
  #halves: Uint16Array = new Uint16Array(1);
  #turn = Promise.resolve();
  #held = new Map<string, PciFunction>();

  constructor(xen: EmbeddedPlatform, domain: number, held: readonly PciFunction[]) {
    this.#xen = xen;
    this.#domain = domain;
    for (const device of held) this.#held.set(formatBdf(device.identity.bdf), device);
  }

  get #back(): string {
    return `/local/domain/0/backend/pci/${this.#domain}/0`;
  }

  get #front(): string {
    return `/local/domain/${this.#domain}/device/pci/0`;
  }

  async start(): Promise<void> {
    const look = () => {
      this.#turn = this.#turn.then(() => this.#look());
    };
    await this.#xen.xenstore.write(`${this.#back}/state`, '2');
    await this.#xen.xenstore.watch(this.#back, look);
    await this.#xen.xenstore.watch(`${this.#front}/state`, look);
  }

  /** Asks the guest about an error in slot 0. */
  requestAer(cmd: number, state: number, slot = 0): void {
    [cmd, state, 0, 0, slot << 3].forEach((value, index) => {
      this.#words[(Page.aerCmd >> 2) + index] = value;
    });
    Atomics.or(this.#words, 0, Flag.backActive);
    this.#channel?.notify();
  }

  aerAnswer(): number | undefined {
    return Atomics.load(this.#words, 0) & Flag.backActive ? undefined : this.#words[Page.aerErr >> 2];
  }

  async #look(): Promise<void> {
    const { xenstore } = this.#xen;
    try {
      const own = await xenstore.read(`${this.#back}/state`);
      const front = await xenstore.read(`${this.#front}/state`);
      if (own === '2') {
        await this.#exportAll();
        await xenstore.write(`${this.#back}/root-0`, '0000:00');
        await xenstore.write(`${this.#back}/root_num`, '1');
        await xenstore.write(`${this.#back}/state`, '3');
      } else if (own === '3' && front === '3') await this.#attach();
      else if (own === '7' && front === '7') {
        await this.#exportAll();
        await xenstore.write(`${this.#back}/state`, '8');
      } else if (own === '8' && front === '4') await xenstore.write(`${this.#back}/state`, '4');
      else if (front === '6' && own !== '6' && own !== undefined) {
        this.#detach();
        await xenstore.write(`${this.#back}/state`, '6');
      } else if (own === undefined) this.#detach();
    } catch (error) {
      if (!(error instanceof PcibackError)) throw error;
    }
  }

  async #exportAll(): Promise<void> {
    const { xenstore } = this.#xen;
    const count = Number((await xenstore.read(`${this.#back}/num_devs`)) ?? '0');
    for (let index = 0; index < count; index += 1) {
      const device = this.#held.get((await xenstore.read(`${this.#back}/dev-${index}`)) ?? '');
      const state = await xenstore.read(`${this.#back}/state-${index}`);
      if (!device) continue;
      if (state === '1') {
        const free = this.#slots.indexOf(undefined);
        const slot = free < 0 ? this.#slots.length : free;
        this.#slots[slot] = device;
        await xenstore.write(`${this.#back}/vdev-${index}`, formatVdev((slot << 3) as Bdf));
        await xenstore.write(`${this.#back}/state-${index}`, '3');
      } else if (state === '5') this.#slots[this.#slots.indexOf(device)] = undefined;
    }
  }

  async #attach(): Promise<void> {
    const { xenstore, grants, events } = this.#xen;
    const number = async (key: string) => Number(await xenstore.read(`${this.#front}/${key}`));
    this.#page = grants.map(this.#domain, await number('pci-op-ref'));
    this.#words = new Int32Array(this.#page.memory);
    this.#halves = new Uint16Array(this.#page.memory);
    this.#channel = events.bindInterdomain(this.#domain, await number('event-channel'), () => this.#event());
    await xenstore.write(`${this.#back}/state`, '4');
  }

  #detach(): void {
    this.#channel?.close();
    this.#page?.unmap();
  }

  #event(): void {
    if (this.answering && Atomics.load(this.#words, 0) & Flag.frontActive) {
      this.requests += 1;
      const at = (offset: number): number => this.#words[offset >> 2] ?? 0;
      const slot = at(Page.bus) === 0 && at(Page.domain) === 0 ? at(Page.devfn) / 8 : -1;
      const device = this.#slots[slot];
      let [err, value]: [number, number] = [Status.devNotFound, at(Page.value)];
      if (device) [err, value] = this.#execute(device, at);
      this.#words[Page.err >> 2] = err;
      this.#words[Page.value >> 2] = value;
      Atomics.and(this.#words, 0, ~Flag.frontActive);
      this.#channel?.notify();
    }
    this.#channel?.unmask();
  }

  #execute(device: PciFunction, at: (offset: number) => number): [number, number] {
    const [offset, value] = [at(Page.offset), at(Page.value)];
    const size = at(Page.size) as 1 | 2 | 4;
    try {
      switch (at(Page.cmd)) {
        case Command.confRead:
          return [Status.success, device.readConfig(offset, size)];
        case Command.confWrite:
          device.writeConfig(offset, size, value);
          return [Status.success, value];
        case Command.enableMsi:
          this.#pirqs.set(device, [this.#xen.interrupts.mapMsi(this.#domain, device)]);
          return [Status.success, this.#pirqs.get(device)?.[0] ?? 0];
        case Command.enableMsix:
          this.#enableMsix(device, value);
          return [Status.success, 0];
        case Command.disableMsi:
        case Command.disableMsix:
          for (const pirq of this.#pirqs.get(device) ?? []) this.#xen.interrupts.unmap(this.#domain, pirq);
          this.#pirqs.delete(device);
          return [Status.success, device.line];
        default:
          return [Status.notImplemented, value];
      }
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      return [error.errno === 13 ? Status.accessDenied : Status.opFailed, value];
    }
  }

  #enableMsix(device: PciFunction, count: number): void {
    const first = Page.msixEntries >> 1;
    const base = device.resources[3]?.start || device.resources[0]?.start || 0n;
    this.#xen.interrupts.prepareMsix(device);
    const pirqs = Array.from({ length: count }, (_, index) =>
      this.#xen.interrupts.mapMsix(this.#domain, device, this.#halves[first + 2 * index + 1] ?? 0, base),
    );
    pirqs.forEach((pirq, index) => {
      this.#halves[first + 2 * index] = pirq;
    });
    this.#pirqs.set(device, pirqs);
  }
}

/** Seizes the devices, makes a domain with the first `cold` of them, and starts a back end for it. */
export const serve = async (
  xen: EmbeddedPlatform,
  devices: readonly Bdf[],
  cold: number = devices.length,
): Promise<{ domain: number; backend: TinyBackend }> => {
  const held: PciFunction[] = [];
  for (const one of devices) held.push(await xen.pci.seize(one));
  const domain = await xen.toolstack.create({ devices: devices.slice(0, cold) });
  const backend = new TinyBackend(xen, domain, held);
  await backend.start();
  return { domain, backend };
};

// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { fail } from '../../../core/errors/index.ts';
import { type Clock, Errno, HostError } from '../../../core/platform/index.ts';
import { announce, announced, endsOf, indexOf, withdraw } from '../toolstack-nodes.ts';
import type { EmbeddedBus } from './bus.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { EmbeddedStore, StoreConnection } from './store.ts';

export interface DomainOptions {
  /** Default: the next free one. */
  readonly domain?: number;
  readonly name?: string;
  /** Functions that are there when the guest boots. */
  readonly devices?: readonly Bdf[];
  /** Those of them with `permissive=1` in the guest's file. */
  readonly permissive?: readonly Bdf[];
}

/** What the guest's file, or the command, says of a device. */
export interface PlugOptions {
  /** `permissive=1`. */
  readonly permissive?: boolean | undefined;
  /** The virtual slot that is asked for, as a devfn. */
  readonly slot?: number | undefined;
}

/** The toolstack's part, node by node as libxl plays it. */
export interface Toolstack {
  /** Makes a domain with its directories and its first devices; returns its id. The guest is started separately. */
  create(options?: DomainOptions): Promise<number>;
  /** Hot plug. Resolves when the back end is connected again. */
  attach(domain: number, address: Bdf, options?: PlugOptions): Promise<void>;
  /** Hot unplug. Resolves when the nodes are gone. */
  detach(domain: number, address: Bdf): Promise<void>;
  /** Takes all devices away and ends the domain; waits for the back end to close, at most 10 s. */
  destroy(domain: number): Promise<void>;
  /** Functions the domain has, in the order of their index. */
  devices(domain: number): Promise<Bdf[]>;
}

/** How long libxl waits for the back end, milliseconds. */
const PATIENCE_MS = 10_000;

const backOf = (domain: number): string => endsOf(0, domain).back;
const recordOf = (address: Bdf): string => `/libxl/pci/${formatBdf(address).replaceAll(/[:.]/g, '-')}`;

export interface ToolstackParties {
  readonly hypervisor: Hypervisor;
  readonly store: EmbeddedStore;
  readonly pci: EmbeddedBus;
  readonly clock: Clock;
}

class EmbeddedToolstack implements Toolstack {
  readonly #parties: ToolstackParties;
  readonly #store: StoreConnection;
  readonly #names = new Map<number, string>();

  constructor(parties: ToolstackParties) {
    this.#parties = parties;
    this.#store = parties.store.connect(0);
  }

  async create(options: DomainOptions = {}): Promise<number> {
    const { hypervisor, store } = this.#parties;
    const { domain } = hypervisor.createDomain(options.domain);
    this.#names.set(domain, options.name ?? `guest-${domain}`);
    const root = `/local/domain/${domain}`;
    await this.#store.transaction(async (view) => {
      await view.write(root, '');
      await view.setPermissions(root, readableBy(domain));
      await view.write(`${root}/name`, this.#nameOf(domain));
      await view.write(`${root}/domid`, String(domain));
      await view.write(`${root}/device`, '');
      // The guest's own place for error texts.
      await view.write(`${root}/error`, '');
      await view.setPermissions(`${root}/error`, ownedBy(domain));
    });
    store.announce('@introduceDomain');
    try {
      for (const address of options.devices ?? [])
        await this.#add(domain, address, 'cold', { permissive: options.permissive?.includes(address) === true });
    } catch (error) {
      await this.destroy(domain);
      throw error;
    }
    return domain;
  }

  async attach(domain: number, address: Bdf, options: PlugOptions = {}): Promise<void> {
    const back = backOf(domain);
    const running = (await this.#store.read(`${back}/state`)) !== undefined;
    if (running) await this.#wait(`${back}/state`, '4');
    await this.#add(domain, address, running ? 'hot' : 'cold', options);
    if (running) await this.#wait(`${back}/state`, '4');
  }

  async detach(domain: number, address: Bdf): Promise<void> {
    const back = backOf(domain);
    await this.#wait(`${back}/state`, '4');
    this.#revoke(domain, address);
    await this.#store.transaction(async (view) => {
      const index = await indexOf(view, back, address);
      if (index < 0) fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: `embedded, domain ${domain}` });
      await view.write(`${back}/state-${index}`, '5');
      await view.write(`${back}/state`, '7');
    });
    await this.#wait(`${back}/state`, '4');
    await this.#forget(domain, address);
  }

  async destroy(domain: number): Promise<void> {
    const { hypervisor, store } = this.#parties;
    const back = backOf(domain);
    const devices = await this.devices(domain);
    for (const address of devices) this.#revoke(domain, address);
    const state = await this.#store.read(`${back}/state`);
    // In state 1 no back end has taken the device: there is nobody to wait for.
    if (state !== undefined && state !== '1') {
      await this.#store.transaction(async (view) => {
        await view.write(`${back}/online`, '0');
        await view.write(`${back}/state`, '5');
      });
      await this.#settled(`${back}/state`, (state) => state === '6' || state === undefined);
    }
    await this.#store.transaction(async (view) => {
      await view.remove(back);
      await view.remove(`/local/domain/0/backend/pci/${domain}`);
      await view.remove(`/local/domain/${domain}`);
      for (const address of devices) await view.remove(recordOf(address));
    });
    hypervisor.destroyDomain(domain);
    store.announce('@releaseDomain');
    this.#names.delete(domain);
  }

  async devices(domain: number): Promise<Bdf[]> {
    const known = new Set(this.#parties.pci.models().map((model) => model.bdf));
    const found = await announced(this.#store, backOf(domain));
    return found.filter((address) => address !== undefined && known.has(address)) as Bdf[];
  }

  #nameOf(domain: number): string {
    return this.#names.get(domain) ?? `guest-${domain}`;
  }

  async #add(domain: number, address: Bdf, plug: 'cold' | 'hot', options: PlugOptions): Promise<void> {
    const { hypervisor, pci } = this.#parties;
    const text = formatBdf(address);
    const model = pci.model(address);
    if (!pci.isSeized(address)) fail('DEVICE_NOT_SEIZED', { bdf: text });
    const owner = await this.#store.read(`${recordOf(address)}/domid`);
    if (owner !== undefined) fail('DEVICE_IN_USE', { bdf: text, owner: Number(owner), wanted: domain });
    await this.#store.write(`${recordOf(address)}/domid`, String(domain));
    try {
      if (model.line > 0 && model.line < 255) hypervisor.mapLine(domain, model.line);
      hypervisor.assign(domain, address);
      const device = { domain, name: this.#nameOf(domain), bdf: address, ...options };
      await this.#store.transaction((view) => announce(view, 0, device, plug));
    } catch (error) {
      await this.#store.remove(recordOf(address));
      throw error;
    }
  }

  #revoke(domain: number, address: Bdf): void {
    const { hypervisor, pci } = this.#parties;
    const { line } = pci.model(address);
    // Another function on the same line may have taken it back already; libxl only logs both.
    if (line > 0 && line < 255) tolerate(() => hypervisor.unmapPirq(domain, line), [Errno.EINVAL]);
    tolerate(() => hypervisor.deassign(domain, address), [Errno.ENODEV]);
  }

  async #forget(domain: number, address: Bdf): Promise<void> {
    await this.#store.transaction(async (view) => {
      await withdraw(view, endsOf(0, domain), address);
      await view.remove(recordOf(address));
    });
  }

  async #wait(path: string, wanted: string): Promise<void> {
    const last = await this.#settled(path, (state) => state === wanted);
    if (last !== wanted) {
      fail('STORE_REFUSED', { operation: `waiting for ${wanted}`, path, error: `it is ${last ?? 'gone'} after 10 s` });
    }
  }

  /** Waits until the node's value is right or the patience is over; returns the last value. */
  async #settled(path: string, right: (value: string | undefined) => boolean): Promise<string | undefined> {
    let done: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      done = resolve;
    });
    let last: string | undefined;
    let failure: unknown;
    const look = async (): Promise<void> => {
      try {
        last = await this.#store.read(path);
        if (right(last)) done();
      } catch (error) {
        failure = error;
        done();
      }
    };
    const cancel = this.#parties.clock.after(PATIENCE_MS, done);
    const watch = await this.#store.watch(path, () => void look());
    await over;
    cancel();
    await watch.close();
    if (failure !== undefined) throw failure;
    return last;
  }
}

const readableBy = (domain: number) =>
  [
    { domain: 0, access: 'none' },
    { domain, access: 'read' },
  ] as const;
const ownedBy = (domain: number) => [{ domain, access: 'none' }] as const;

const tolerate = (call: () => void, errors: readonly number[]): void => {
  try {
    call();
  } catch (error) {
    if (!(error instanceof HostError) || !errors.includes(error.errno)) throw error;
  }
};

/** Makes the toolstack. */
export const createToolstack = (parties: ToolstackParties): Toolstack => new EmbeddedToolstack(parties);

// SPDX-License-Identifier: MIT

import { unlink } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import type { GuestBudget } from '../../../core/budget.ts';
import { describeError } from '../../../core/errors/index.ts';
import type { Logger } from '../../../core/log.ts';
import type { Engine } from '../../../core/pciback.ts';
import { DenialRecord } from '../../../core/space/denials.ts';
import type { SeizedDevice, Tenant } from '../../../core/stub/index.ts';
import { fail } from '../../errors.ts';
import { Client } from './client.ts';
import { PLATFORM } from './platform.ts';
import type { Connection, Sockets } from './sockets.ts';

export interface PostTerms {
  readonly engine: Engine;
  readonly sockets: Sockets;
  readonly log: Logger;
  readonly bdf: Bdf;
  readonly path: string;
  /** What the guest at this socket is called. */
  readonly name: string;
  /** Number of the guest that a client's machine is taken for. */
  readonly domain: number;
  /** What the clients of this socket may cause in the log, all together. */
  readonly budget: GuestBudget;
  /** Most bytes of memory behind the BARs. */
  readonly memory: number;
  /** There is something to wait for again. */
  readonly wake: () => void;
}

/**
 * Changes of state that a client's coming and going counts as. Each takes the control thread 2 ms, for a table, an assignment and
 * a reset: eight are served at once, which is less than one in a hundred of what another client asks meanwhile.
 */
const AS_MUCH_AS = 4;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const refuse = (path: string, why: string): never =>
  fail('PLATFORM_UNAVAILABLE', {
    platform: PLATFORM,
    missing: `socket ${path}: ${why}`,
    next: 'Choose another path in section vfio-user of the rc file, or end what listens there.',
  });

/** Takes away a socket that nobody listens at any more. @throws PcibackError `PLATFORM_UNAVAILABLE` when somebody does */
const clearPath = async (path: string): Promise<void> => {
  const answers = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answers) refuse(path, 'somebody answers there');
  try {
    await unlink(path);
  } catch (error) {
    if (!isMissing(error)) refuse(path, describeError(error));
  }
};

/**
 * One device at one socket. One client at a time has it: the device is given to it when it comes, made anew as for every
 * guest, and given back when it goes. Others wait in the socket's queue meanwhile.
 */
export class Post {
  readonly bdf: Bdf;
  readonly path: string;
  readonly name: string;
  client: Client | undefined;
  /** The refused writes of the last client, also when it has gone. */
  denials: DenialRecord;
  readonly #terms: PostTerms;
  readonly #listening: number;
  /** The device is on its way to a client, or back. */
  #passing: Promise<void> | undefined;
  /** Clients come and go too fast: the next one waits in the socket's queue. */
  #isHeld = false;
  #closed = false;

  private constructor(terms: PostTerms, listening: number) {
    this.#terms = terms;
    this.bdf = terms.bdf;
    this.path = terms.path;
    this.name = terms.name;
    this.#listening = listening;
    this.denials = new DenialRecord(terms.domain);
  }

  /** @throws PcibackError `PLATFORM_UNAVAILABLE`; HostError */
  static async open(terms: PostTerms): Promise<Post> {
    await clearPath(terms.path);
    return new Post(terms, terms.sockets.listen(terms.path));
  }

  /** A client could be taken now. */
  get isFree(): boolean {
    return this.client === undefined && this.#passing === undefined && !this.#isHeld && !this.#closed;
  }

  get listening(): number {
    return this.#listening;
  }

  /** Takes the next client, if there is one. Each costs a table and a reset: who comes and goes without end waits for more. */
  accept(): void {
    const { budget, wake } = this.#terms;
    this.#isHeld = !budget.takesState(() => {
      this.#isHeld = false;
      wake();
    }, AS_MUCH_AS);
    if (this.#isHeld) return;
    const connection = this.#terms.sockets.accept(this.#listening);
    if (connection !== undefined) this.#pass(this.#give(connection));
  }

  #pass(work: Promise<void>): void {
    this.#passing = work.finally(() => {
      this.#passing = undefined;
      this.#terms.wake();
    });
  }

  #tenant(): Tenant {
    const { engine, budget, domain } = this.#terms;
    const denials = new DenialRecord(domain);
    this.denials = denials;
    return {
      domain,
      name: this.name,
      denials,
      budget,
      refused: (denial) => setImmediate(() => engine.plugins.hooks.call('deniedWrite', denial)),
      settled: (status) => this.client?.settled(status),
      hold: (work) => work(),
      viewChanged: () => {},
    };
  }

  async #give(connection: Connection): Promise<void> {
    const { engine, sockets, budget, bdf, memory, wake } = this.#terms;
    const { stub, plugins, platform } = engine;
    const tenant = this.#tenant();
    let device: SeizedDevice | undefined;
    try {
      device = await stub.assign(bdf, tenant);
      const { assignment } = device;
      if (assignment === undefined || this.#closed) throw new Error('the socket is closed');
      this.client = new Client({
        sockets,
        connection,
        device,
        assignment,
        memory,
        clock: platform.clock,
        patience: 1000 * plugins.hooks.deadline('later'),
        wake,
        log: budget.log,
      });
      budget.log.info({ bdf: formatBdf(bdf), path: this.path }, 'client');
      plugins.hooks.call('guestConnected', tenant);
    } catch (error) {
      budget.log.warn({ bdf: formatBdf(bdf), path: this.path, error: describeError(error) }, 'client not served');
      connection.close();
      if (device !== undefined) await stub.giveBack(device);
    }
  }

  /** Ends this client: its device goes back. */
  drop(client: Client): void {
    const { engine, bdf } = this.#terms;
    const { tenant } = client.assignment;
    this.client = undefined;
    client.end();
    engine.plugins.hooks.call('guestDisconnected', tenant);
    const device = engine.stub.devices.find((one) => one.bdf === bdf);
    if (device !== undefined) this.#pass(engine.stub.giveBack(device).then(() => undefined));
  }

  /** Ends the client and takes the socket away. The device is back when it resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    const { sockets, log, budget } = this.#terms;
    sockets.close(this.#listening);
    await this.#passing;
    if (this.client !== undefined) this.drop(this.client);
    await this.#passing;
    budget.close();
    try {
      await unlink(this.path);
    } catch (error) {
      if (!isMissing(error)) log.warn({ path: this.path, error: describeError(error) }, 'socket not taken away');
    }
  }
}

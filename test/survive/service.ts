// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '../../plugins/control/index.ts';
import { Daemon } from './daemon.ts';

/** How the process that serves is followed by another one: when it dies, or when it is told to make place. */
export type Mode = 'cold' | 'standby' | 'upgrade';

export interface ServiceTerms {
  readonly mode: Mode;
  /** What node is started with. */
  readonly words: readonly string[];
  /** Its control socket. */
  readonly socket: string;
}

/** Milliseconds that a process may take to say that it is ready. */
const PATIENCE_MS = 30_000;

const within = async (work: Promise<void>, what: string): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  try {
    await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
};

/** Keeps one process that serves, as a supervisor does: it is started again at once, or another one stands by. */
export class Service {
  readonly #terms: ServiceTerms;
  #serving: Daemon;
  #standby: Daemon | undefined;
  #ready: Promise<void>;
  #ending = false;
  /** The process that serves, when it was started by the one before; it writes where that one did. */
  #heir: number | undefined;

  private constructor(terms: ServiceTerms) {
    this.#terms = terms;
    this.#serving = this.#start();
    this.#ready = this.#serving.printed(' ready ');
  }

  static async start(terms: ServiceTerms): Promise<Service> {
    const service = new Service(terms);
    await service.ready();
    return service;
  }

  get lines(): readonly string[] {
    return [...this.#serving.lines, ...(this.#standby?.lines ?? []).map((line) => `standby: ${line}`)];
  }

  /** Resolves when one serves, and the other stands by. @throws Error when a process ends instead */
  async ready(): Promise<void> {
    await within(this.#ready, 'ready');
    if (this.#terms.mode !== 'standby') return;
    if (this.#standby === undefined) this.#standby = this.#start('--standby');
    await within(this.#standby.printed('standby'), 'standby');
  }

  /** The process that serves dies. What follows is under way when this returns. */
  kill(): void {
    const dead = this.#serving;
    dead.signal('SIGKILL');
    if (this.#terms.mode === 'standby' && this.#standby !== undefined) {
      this.#serving = this.#standby;
      this.#standby = undefined;
      this.#ready = this.#serving.printed(' ready ');
    } else {
      this.#ready = dead.end.then(() => {
        this.#serving = this.#start();
        return this.#serving.printed(' ready ');
      });
    }
    // Whoever waits for it hears of it.
    this.#ready.catch(() => undefined);
  }

  /** Has a new process take over from the one that serves. @throws PcibackError, Error why it does not */
  async upgrade(): Promise<void> {
    const client = createClient(this.#terms.socket);
    const { pid } = (await client.require('upgrade', {})) as { pid: number };
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const status = (await client.ask('status', {}).catch(() => undefined)) as { pid: number } | undefined;
      if (status?.pid === pid) break;
      const state = (await client.ask('upgrade-state', {}).catch(() => undefined)) as { why?: string } | undefined;
      if (state?.why !== undefined) throw new Error(`not upgraded: ${state.why}`);
      if (performance.now() > end) throw new Error(`not upgraded within ${PATIENCE_MS / 1000} s`);
      await pause(1);
    }
    this.#heir = pid;
  }

  /** An end in order. @returns the status of the process that served */
  async stop(): Promise<number | null> {
    this.#ending = true;
    if (this.#standby !== undefined) {
      this.#standby.signal('SIGTERM');
      await this.#standby.end;
    }
    if (this.#heir !== undefined) return this.#stopHeir(this.#heir);
    this.#serving.signal('SIGTERM');
    return (await this.#serving.end).status;
  }

  /** Not a child of this process: what it says at its end is all that is known. */
  async #stopHeir(pid: number): Promise<number | null> {
    const { status } = await this.#serving.end;
    process.kill(pid, 'SIGTERM');
    while (existsSync(`/proc/${pid}`)) await pause(1);
    const isEmpty = this.#serving.lines.some((line) => line.endsWith('stopped mapped=0 bound=0 pirqs=0 assigned=0'));
    return isEmpty ? status : null;
  }

  /** Ends everything at once. */
  async abandon(): Promise<void> {
    if (this.#heir !== undefined && existsSync(`/proc/${this.#heir}`)) process.kill(this.#heir, 'SIGKILL');
    for (const one of [this.#standby, this.#serving]) {
      one?.signal('SIGKILL');
      await one?.end;
    }
  }

  #start(...more: readonly string[]): Daemon {
    if (this.#ending) throw new Error('the service has ended');
    return new Daemon([...this.#terms.words, ...more]);
  }
}

// SPDX-License-Identifier: MIT

import { Daemon } from './daemon.ts';

/** How the process that serves is followed by another one when it dies. */
export type Mode = 'cold' | 'standby';

export interface ServiceTerms {
  readonly mode: Mode;
  /** What node is started with. */
  readonly words: readonly string[];
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
    if (this.#terms.mode === 'cold') return;
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

  /** An end in order. @returns the status of the process that served */
  async stop(): Promise<number | null> {
    this.#ending = true;
    if (this.#standby !== undefined) {
      this.#standby.signal('SIGTERM');
      await this.#standby.end;
    }
    this.#serving.signal('SIGTERM');
    return (await this.#serving.end).status;
  }

  /** Ends everything at once. */
  async abandon(): Promise<void> {
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

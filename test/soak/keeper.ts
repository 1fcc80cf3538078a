// SPDX-License-Identifier: MIT

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from '../../plugins/control/index.ts';
import { isAlive } from '../survive/alive.ts';

/** Lines of the log that are kept. */
const MOST_LINES = 2000;
const TURN_MS = 20;

export interface KeeperTerms {
  /** What node is started with. */
  readonly words: readonly string[];
  /** The control socket. */
  readonly socket: string;
  /** Milliseconds that a process may take to be ready. */
  readonly patience: number;
}

/** How a process was followed by another one. */
export type Way = 'cold start' | 'standby' | 'upgrade';

/** What reads the log: it can stop for a while, or go away. */
class LogReader {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #all: string[];
  #rest = '';

  /** @param all of every process */
  constructor(child: ChildProcess, all: string[]) {
    this.#child = child;
    this.#all = all;
    for (const stream of this.#streams) stream.setEncoding('utf8').on('data', (text: string) => this.#heard(text));
  }

  get #streams() {
    return [this.#child.stdout, this.#child.stderr].filter((stream) => stream !== null);
  }

  #heard(text: string): void {
    const all = (this.#rest + text).split('\n');
    this.#rest = all.pop() ?? '';
    // A reload may have each request logged: those would leave no room for anything else.
    const lines = all.filter((line) => !line.includes(' debug '));
    for (const kept of [this.lines, this.#all]) {
      kept.push(...lines);
      kept.splice(0, Math.max(0, kept.length - MOST_LINES));
    }
  }

  stall(): void {
    for (const stream of this.#streams) stream.pause();
  }

  goOn(): void {
    for (const stream of this.#streams) stream.resume();
  }

  leave(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}

/** Keeps one process that serves, as a supervisor does, and replaces it in every way there is. */
export class Keeper {
  readonly #terms: KeeperTerms;
  readonly #children = new Map<number, ChildProcess>();
  /** Of the process that was started last and of those it started itself: they write where it does. */
  log: LogReader;
  /** What all of them said. */
  readonly lines: string[] = [];
  pid: number;
  /** Goes up when a process is to give way, and when the next one serves: odd in between, while either may answer. */
  #turn = 0;
  /** Statuses of processes that ended without being told to. */
  readonly unasked: string[] = [];
  #told = new Set<number>();

  private constructor(terms: KeeperTerms) {
    this.#terms = terms;
    const { child, log } = this.#spawn();
    this.log = log;
    this.pid = child.pid ?? 0;
  }

  static async start(terms: KeeperTerms): Promise<Keeper> {
    const keeper = new Keeper(terms);
    await keeper.#served(keeper.pid);
    return keeper;
  }

  /** Asks the process that serves; `undefined` while none does. */
  ask(op: string, args: unknown = {}): Promise<unknown> {
    return createClient(this.#terms.socket).ask(op, args);
  }

  /** @returns whether the process that serves has done so all the time since, and is not about to give way */
  watch(): () => boolean {
    const from = this.#turn;
    return () => this.#turn === from && from % 2 === 0;
  }

  kill(way: 'cold start' | 'standby'): Promise<number> {
    return this.#change(() => this.#kill(way));
  }

  /** @throws PcibackError, Error why there is none */
  upgrade(): Promise<number> {
    return this.#change(() => this.#upgrade());
  }

  async #change(work: () => Promise<number>): Promise<number> {
    this.#turn += 1;
    try {
      return await work();
    } finally {
      this.#turn += 1;
    }
  }

  async #kill(way: 'cold start' | 'standby'): Promise<number> {
    const standby = way === 'standby' ? this.#spawn('--standby') : undefined;
    if (standby !== undefined) {
      await this.#until('standby', () => standby.log.lines.some((line) => line.includes('standby')), standby.child);
    }
    const dead = this.pid;
    const since = performance.now();
    this.#told.add(dead);
    process.kill(dead, 'SIGKILL');
    await this.#until(`the end of ${dead}`, () => !isAlive(dead));
    const next = standby ?? this.#spawn();
    this.#follow(next.child.pid ?? 0, next.log);
    await this.#served(this.pid);
    return performance.now() - since;
  }

  async #upgrade(): Promise<number> {
    const since = performance.now();
    const old = this.pid;
    this.#told.add(old);
    const { pid } = (await createClient(this.#terms.socket).require('upgrade', {})) as { pid: number };
    const end = performance.now() + this.#terms.patience;
    while ((await this.#serving()) !== pid) {
      const state = (await this.ask('upgrade-state').catch(() => undefined)) as { why?: string } | undefined;
      if (state?.why !== undefined) throw new Error(`not upgraded: ${state.why}`);
      if (performance.now() > end) throw new Error('not upgraded in time');
      await pause(TURN_MS);
    }
    await this.#until(`the end of ${old}`, () => !isAlive(old));
    this.#follow(pid, this.log);
    return performance.now() - since;
  }

  /** The whole process stands still: for it, all clocks jump. */
  async freeze(milliseconds: number): Promise<void> {
    const { pid } = this;
    process.kill(pid, 'SIGSTOP');
    try {
      await pause(milliseconds);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  hangUp(): void {
    process.kill(this.pid, 'SIGHUP');
  }

  /** An end in order. @returns the status; of a process that another one started only whether it ended */
  async stop(): Promise<number | 'ended'> {
    const { pid } = this;
    const child = this.#children.get(pid);
    this.#told.add(pid);
    process.kill(pid, 'SIGTERM');
    await this.#until(`the end of ${pid}`, () => !isAlive(pid));
    return child === undefined ? 'ended' : (child.exitCode ?? this.#statusOf(child));
  }

  #statusOf(child: ChildProcess): Promise<number> {
    if (child.exitCode !== null) return Promise.resolve(child.exitCode);
    return new Promise((resolve) => child.once('exit', (status) => resolve(status ?? -1)));
  }

  abandon(): void {
    for (const pid of new Set([this.pid, ...this.#children.keys()])) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  }

  #spawn(...more: readonly string[]): { readonly child: ChildProcess; readonly log: LogReader } {
    const child = spawn(process.execPath, [...this.#terms.words, ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = new LogReader(child, this.lines);
    const { pid = 0 } = child;
    this.#children.set(pid, child);
    child.once('exit', (status, signal) => {
      this.#children.delete(pid);
      if (this.#told.delete(pid)) return;
      this.unasked.push(`${status ?? signal}: ${log.lines.slice(-3).join(' | ')}`);
      // A supervisor starts it anew at once.
      if (pid === this.pid) this.#again();
    });
    return { child, log };
  }

  #again(): void {
    const { child, log } = this.#spawn();
    this.#turn += 2;
    this.#follow(child.pid ?? 0, log);
  }

  #follow(pid: number, log: LogReader): void {
    this.log = log;
    this.pid = pid;
  }

  /** The process that serves, when all of it has started. */
  async #serving(): Promise<number | undefined> {
    type Health = { readonly pid: number; readonly ready: boolean };
    const health = (await this.ask('health').catch(() => undefined)) as Health | undefined;
    return health?.ready === true ? health.pid : undefined;
  }

  async #served(pid: number): Promise<void> {
    const end = performance.now() + this.#terms.patience;
    while ((await this.#serving()) !== pid) {
      if (!isAlive(pid)) throw new Error(`${pid} ended: ${this.log.lines.slice(-5).join(' | ')}`);
      if (performance.now() > end) throw new Error(`${pid} does not serve`);
      await pause(TURN_MS);
    }
  }

  async #until(what: string, test: () => boolean, child?: ChildProcess): Promise<void> {
    const end = performance.now() + this.#terms.patience;
    while (!test()) {
      if (child !== undefined && child.exitCode !== null) throw new Error(`${what}: it ended with ${child.exitCode}`);
      if (performance.now() > end) throw new Error(`${what}: not in time`);
      await pause(TURN_MS);
    }
  }
}

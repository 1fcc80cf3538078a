// SPDX-License-Identifier: MIT

import { createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { fail } from '../../core/errors/index.ts';
import {
  Errno,
  type EventChannel,
  HostError,
  type MappedPage,
  type PciFunction,
  type PciListing,
} from '../../core/platform/index.ts';
import type { EmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';
import { isAlive } from './alive.ts';
import {
  type Answer,
  type Call,
  type Hello,
  LineDecoder,
  oneWay,
  type PortEvent,
  toFault,
  toLine,
} from './messages.ts';

/** A call of a process that serves guests, before and after what it asks for is done. `drop` before: it is gone. */
export type CallGuard = (call: Call, stage: 'before' | 'after') => 'go on' | 'drop';

export interface HostServiceTerms {
  readonly platform: EmbeddedPlatform;
  /** The functions that the host's kernel holds for pass-through, as a kernel module does for a toolstack. */
  readonly held: ReadonlyMap<Bdf, PciFunction>;
  /** The file of a page of a guest. */
  readonly fileOf: (memory: ArrayBufferLike) => string;
  readonly guard: CallGuard;
  /** Milliseconds that a reset takes. */
  readonly resetMs: number;
  /** More calls, for tests. */
  readonly more?: Readonly<Record<string, (...args: never[]) => unknown>>;
}

/** What the host's kernel keeps for one process, and takes back when that ends. */
class Session {
  readonly channels = new Map<number, EventChannel>();
  readonly pages = new Map<number, MappedPage>();
  readonly claimed = new Set<Bdf>();
  readonly sockets = new Set<Socket>();
  readonly pid: number;
  later: Socket | undefined;
  ended = false;
  #lastPage = 0;

  constructor(pid: number) {
    this.pid = pid;
  }

  keepPage(page: MappedPage): number {
    this.#lastPage += 1;
    this.pages.set(this.#lastPage, page);
    return this.#lastPage;
  }

  tell(message: Answer | PortEvent): void {
    if (this.later?.writable) this.later.write(toLine(message));
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const channel of this.channels.values()) channel.close();
    for (const page of this.pages.values()) page.unmap();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** What the host answers. */
class HostCalls {
  /** How often the host took each function. */
  readonly rebound = new Map<Bdf, number>();
  readonly #terms: HostServiceTerms;
  readonly #sessions: ReadonlyMap<string, Session>;

  constructor(terms: HostServiceTerms, sessions: ReadonlyMap<string, Session>) {
    this.#terms = terms;
    this.#sessions = sessions;
  }

  /** @returns what the call answers, or a promise of it for one that is answered later */
  do(session: Session, { call, args }: Call): unknown {
    const calls = this as unknown as Record<string, ((session: Session, ...args: unknown[]) => unknown) | undefined>;
    const own = ownCalls.has(call) ? calls[call] : undefined;
    if (own !== undefined) return own.call(this, session, ...args);
    const more = this.#terms.more?.[call] as ((...args: unknown[]) => unknown) | undefined;
    if (more === undefined) throw new Error(`no call ${call}`);
    return more(...args);
  }

  map(session: Session, domain: number, reference: number): { readonly page: number; readonly file: string } {
    const { platform, fileOf } = this.#terms;
    const page = platform.grants.map(domain, reference);
    return { page: session.keepPage(page), file: fileOf(page.memory) };
  }

  unmap(session: Session, id: number): void {
    session.pages.get(id)?.unmap();
    session.pages.delete(id);
  }

  bind(session: Session, domain: number, remote: number): number {
    this.#takeFromDead();
    const { events } = this.#terms.platform;
    const channel = events.bindInterdomain(domain, remote, () => session.tell({ port: channel.port }));
    session.channels.set(channel.port, channel);
    return channel.port;
  }

  close(session: Session, port: number): void {
    session.channels.get(port)?.close();
    session.channels.delete(port);
  }

  notify(session: Session, port: number): void {
    session.channels.get(port)?.notify();
  }

  unmask(session: Session, port: number): void {
    session.channels.get(port)?.unmask();
  }

  read(_session: Session, address: Bdf, offset: number, size: 1 | 2 | 4): number {
    return this.#function(address).readConfig(offset, size);
  }

  readPhysical(_session: Session, address: Bdf, offset: number, size: 1 | 2 | 4): number {
    const { physical } = this.#function(address);
    return physical?.readConfig(offset, size) ?? 0;
  }

  write(_session: Session, address: Bdf, offset: number, size: 1 | 2 | 4, value: number): void {
    this.#function(address).writeConfig(offset, size, value);
  }

  mapMsi(_session: Session, domain: number, address: Bdf): number {
    return this.#terms.platform.interrupts.mapMsi(domain, this.#function(address));
  }

  mapMsix(_session: Session, domain: number, address: Bdf, entry: number, table: string): number {
    return this.#terms.platform.interrupts.mapMsix(domain, this.#function(address), entry, BigInt(table));
  }

  mappedFor(_session: Session, domain: number, address: Bdf, entry: number | null): number | null {
    return this.#terms.platform.interrupts.mappedFor?.(domain, address, entry ?? undefined) ?? null;
  }

  unmapPirq(_session: Session, domain: number, pirq: number): void {
    this.#terms.platform.interrupts.unmap(domain, pirq);
  }

  isShared(_session: Session, line: number): boolean {
    return this.#terms.platform.lines.isShared(line);
  }

  hostUsers(_session: Session, line: number): readonly string[] {
    return this.#terms.platform.lines.hostUsers(line);
  }

  async list(session: Session): Promise<PciListing[]> {
    const { platform, held } = this.#terms;
    return (await platform.pci.list()).map((one) => {
      const seizable = held.has(one.bdf) && !session.claimed.has(one.bdf);
      return { ...one, seizable, holder: seizable ? 'free' : one.holder };
    });
  }

  bridgesAbove(_session: Session, address: Bdf): Promise<Bdf[]> {
    return this.#terms.platform.pci.bridgesAbove(address);
  }

  async seize(session: Session, address: Bdf): Promise<object> {
    const model = this.#terms.platform.pci.model(address);
    const held = this.#terms.held.get(address);
    if (held === undefined || session.claimed.has(address)) {
      const holder = held === undefined ? 'nobody' : 'this process';
      fail('DEVICE_NOT_SEIZABLE', { bdf: formatBdf(address), holder, next: 'Nothing can be done.' });
    }
    session.claimed.add(address);
    const { identity, line, physical } = held as PciFunction;
    const resources = model.resources.map(({ start, size, flags }) => [String(start), String(size), flags]);
    return { identity, line, resources, physical: physical !== undefined };
  }

  async stillHolds(session: Session, address: Bdf): Promise<boolean> {
    return session.claimed.has(address);
  }

  async holdingOf(_session: Session, address: Bdf): Promise<string> {
    return String(this.rebound.get(address) ?? 0);
  }

  async release(session: Session, address: Bdf): Promise<void> {
    session.claimed.delete(address);
  }

  /** Goes on when whoever asked is gone: that is so inside of a system call. */
  async reset(_session: Session, address: Bdf): Promise<object> {
    await pause(this.#terms.resetMs);
    const outcome = await this.#function(address).reset();
    await pause(this.#terms.resetMs);
    return outcome;
  }

  #function(address: Bdf): PciFunction {
    return this.#terms.held.get(address) ?? notThere(address);
  }

  /** A process's channels and pages are gone before its lock is: a successor never finds them in use. */
  #takeFromDead(): void {
    for (const session of this.#sessions.values()) if (!session.ended && !isAlive(session.pid)) session.end();
  }
}

const ownCalls: ReadonlySet<string> = new Set(
  'map unmap bind close notify unmask read readPhysical write mapMsi mapMsix mappedFor unmapPirq isShared hostUsers list bridgesAbove seize stillHolds holdingOf release reset'.split(
    ' ',
  ),
);

const notThere = (address: Bdf): never => {
  throw new HostError('config access', Errno.ENODEV, formatBdf(address));
};

/** One connection of a process. */
class Connection {
  readonly #socket: Socket;
  readonly #terms: HostServiceTerms;
  readonly #calls: HostCalls;
  readonly #sessions: Map<string, Session>;
  readonly #decoder = new LineDecoder();
  #session: Session | undefined;

  constructor(socket: Socket, terms: HostServiceTerms, calls: HostCalls, sessions: Map<string, Session>) {
    this.#socket = socket;
    this.#terms = terms;
    this.#calls = calls;
    this.#sessions = sessions;
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (text: string) => {
      for (const message of this.#decoder.push(text)) this.#take(message as Hello | Call);
    });
    socket.on('close', () => this.#session?.end());
  }

  #take(message: Hello | Call): void {
    if ('hello' in message) {
      const session = this.#sessions.get(message.session) ?? new Session(message.pid);
      this.#sessions.set(message.session, session);
      session.sockets.add(this.#socket);
      if (message.hello === 'answered later') session.later = this.#socket;
      this.#session = session;
      return;
    }
    const session = this.#session;
    if (session === undefined || session.ended) return;
    if (this.#terms.guard(message, 'before') === 'drop') {
      session.end();
      return;
    }
    if (message.id === undefined) this.#now(session, message);
    else void this.#later(session, message);
  }

  #now(session: Session, call: Call): void {
    let answer: Answer;
    try {
      answer = { result: this.#calls.do(session, call) ?? null };
    } catch (error) {
      answer = { fault: toFault(error) };
    }
    this.#terms.guard(call, 'after');
    if (!oneWay.has(call.call) && this.#socket.writable) this.#socket.write(toLine(answer));
  }

  async #later(session: Session, call: Call): Promise<void> {
    const { id = 0 } = call;
    let answer: Answer;
    try {
      answer = { id, result: (await this.#calls.do(session, call)) ?? null };
    } catch (error) {
      answer = { id, fault: toFault(error) };
    }
    this.#terms.guard(call, 'after');
    session.tell(answer);
  }
}

/** What goes on behind the socket of a host. */
export interface ServedHost {
  /** Whoever has the function has it no more. */
  rebind(address: Bdf): void;
  close(): void;
}

/** Answers processes that serve the guests of this host. When one ends, its kernel takes back what it had. */
export const serveHost = async (terms: HostServiceTerms, address: string): Promise<ServedHost> => {
  const sessions = new Map<string, Session>();
  const calls = new HostCalls(terms, sessions);
  const server = createServer((socket) => new Connection(socket, terms, calls, sessions));
  await new Promise<void>((resolve) => server.listen(address, resolve));
  return {
    rebind: (one) => {
      calls.rebound.set(one, (calls.rebound.get(one) ?? 0) + 1);
      for (const session of sessions.values()) session.claimed.delete(one);
    },
    close: () => {
      for (const session of sessions.values()) session.end();
      server.close();
    },
  };
};

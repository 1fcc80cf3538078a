// SPDX-License-Identifier: MIT

import { randomUUID } from 'node:crypto';
import { closeSync, readSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Bdf } from '../../core/bdf.ts';
import {
  type Clock,
  Errno,
  type EventChannels,
  type GrantTable,
  HostError,
  type InterruptMapper,
  type LineInterrupts,
  type MappedPage,
  type PciFunction,
  type PciIdentity,
  type PciListing,
  type Platform,
  type ResetOutcome,
} from '../../core/platform/index.ts';
import type { NativeLoader } from '../../plugins/kinds/native.ts';
import type { BusWithHoldings } from '../../plugins/kinds/platform.ts';
import { openXenstore } from '../../plugins/platforms/xen/xenstore-client.ts';
import { type Answer, fromFault, LineDecoder, oneWay, type PortEvent, toLine } from './messages.ts';
import { createNativeMemory, type NativeMemory } from './native-memory.ts';

/** Names of the sockets in the folder of a host. */
export const HOST_SOCKET = 'host';
export const STORE_SOCKET = 'xenstored';
/** What every process that serves this host has to open. */
export const LOCK_FILE = 'evtchn';

const clock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Calls that wait for their answer inside of a system call, as hypercalls and config accesses do. */
class WaitingCalls {
  readonly #descriptor: number;
  readonly #chunk = Buffer.alloc(65_536);
  #closed = false;

  constructor(memory: NativeMemory, address: string, session: string) {
    this.#descriptor = memory.connect(address);
    writeSync(this.#descriptor, toLine({ hello: 'waiting', session, pid: process.pid }));
  }

  ask(call: string, ...args: readonly unknown[]): unknown {
    if (this.#closed) throw new HostError(call, Errno.ENODEV, 'the platform is closed');
    writeSync(this.#descriptor, toLine({ call, args }));
    if (oneWay.has(call)) return undefined;
    let text = '';
    while (!text.endsWith('\n')) {
      const count = readSync(this.#descriptor, this.#chunk);
      if (count === 0) throw new HostError(call, Errno.ENOTCONN, 'the host is gone');
      text += this.#chunk.toString('utf8', 0, count);
    }
    const answer = JSON.parse(text) as Answer;
    if ('fault' in answer) throw fromFault(answer.fault);
    return answer.result;
  }

  close(): void {
    if (!this.#closed) closeSync(this.#descriptor);
    this.#closed = true;
  }
}

/** Calls that are answered later, and events. */
class LaterCalls {
  /** Resolves when the host is gone. */
  readonly lost: Promise<Error>;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #last = 0;
  #closed = false;

  private constructor(socket: Socket, onEvent: (port: number) => void) {
    this.#socket = socket;
    const decoder = new LineDecoder();
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      for (const message of decoder.push(text) as (Answer | PortEvent)[]) {
        if ('port' in message) onEvent(message.port);
        else this.#answered(message);
      }
    });
    this.lost = new Promise((resolve) => {
      socket.on('close', () => {
        if (!this.#closed) resolve(new HostError('host', Errno.ENOTCONN, 'the host is gone'));
      });
    });
  }

  static open(address: string, session: string, onEvent: (port: number) => void): Promise<LaterCalls> {
    return new Promise((resolve, reject) => {
      const socket = connect(address);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        // Its close says the same.
        socket.on('error', () => undefined);
        socket.write(toLine({ hello: 'answered later', session, pid: process.pid }));
        resolve(new LaterCalls(socket, onEvent));
      });
    });
  }

  ask(call: string, ...args: readonly unknown[]): Promise<unknown> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (answer) => {
        if ('fault' in answer) reject(fromFault(answer.fault));
        else resolve(answer.result);
      });
      this.#socket.write(toLine({ call, args, id }));
    });
  }

  #answered(answer: Answer): void {
    const { id = 0 } = answer;
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }
}

/** What `seize` answers. */
interface RemoteFacts {
  readonly identity: PciIdentity;
  readonly line: number;
  readonly resources: readonly (readonly [start: string, size: string, flags: number])[];
  readonly physical: boolean;
}

const grantsOf = (calls: WaitingCalls, memory: NativeMemory): GrantTable & { close(): void } => {
  const mapped = new Set<MappedPage>();
  return {
    map: (domain, reference) => {
      const { page: id, file } = calls.ask('map', domain, reference) as { page: number; file: string };
      const shared = memory.map(file);
      const page: MappedPage = {
        memory: shared.memory,
        unmap: () => {
          if (!mapped.delete(page)) return;
          shared.unmap();
          calls.ask('unmap', id);
        },
      };
      mapped.add(page);
      return page;
    },
    close: () => {
      for (const page of [...mapped]) page.unmap();
    },
  };
};

interface BoundPort {
  readonly listener: () => void;
  masked: boolean;
}

const eventsOf = (calls: WaitingCalls, ports: Map<number, BoundPort>): EventChannels => ({
  bindInterdomain: (domain, remote, listener) => {
    const port = calls.ask('bind', domain, remote) as number;
    const bound: BoundPort = { listener, masked: false };
    ports.set(port, bound);
    return {
      port,
      notify: () => {
        if (ports.has(port)) calls.ask('notify', port);
      },
      unmask: () => {
        if (!ports.has(port) || !bound.masked) return;
        bound.masked = false;
        calls.ask('unmask', port);
      },
      close: () => {
        if (ports.delete(port)) calls.ask('close', port);
      },
    };
  },
});

const functionOf = (calls: WaitingCalls, later: LaterCalls, facts: RemoteFacts): PciFunction => {
  const { identity, line } = facts;
  const address = identity.bdf;
  return {
    identity,
    line,
    resources: facts.resources.map(([start, size, flags]) => ({ start: BigInt(start), size: BigInt(size), flags })),
    readConfig: (offset, size) => calls.ask('read', address, offset, size) as number,
    writeConfig: (offset, size, value) => void calls.ask('write', address, offset, size, value),
    ...(facts.physical
      ? { physical: { readConfig: (offset, size) => calls.ask('readPhysical', address, offset, size) as number } }
      : {}),
    reset: async () => (await later.ask('reset', address)) as ResetOutcome,
  };
};

const busOf = (calls: WaitingCalls, later: LaterCalls): BusWithHoldings => ({
  list: async () => (await later.ask('list')) as PciListing[],
  bridgesAbove: async (address) => (await later.ask('bridgesAbove', address)) as Bdf[],
  seize: async (address) => functionOf(calls, later, (await later.ask('seize', address)) as RemoteFacts),
  holdingOf: async (address) => (await later.ask('holdingOf', address)) as string,
  stillHolds: async (device) => (await later.ask('stillHolds', device.identity.bdf)) as boolean,
  release: async (device) => void (await later.ask('release', device.identity.bdf)),
});

/** The kernel of the host has told the hypervisor where the tables are, as it does for a toolstack. */
const interruptsOf = (calls: WaitingCalls): InterruptMapper => ({
  prepareMsix: () => undefined,
  releaseMsix: () => undefined,
  mapMsi: (domain, { identity }) => calls.ask('mapMsi', domain, identity.bdf) as number,
  mapMsix: (domain, { identity }, entry, table) =>
    calls.ask('mapMsix', domain, identity.bdf, entry, String(table)) as number,
  unmap: (domain, pirq) => void calls.ask('unmapPirq', domain, pirq),
  mappedFor: (domain, address, entry) =>
    (calls.ask('mappedFor', domain, address, entry ?? null) as number | null) ?? undefined,
  linePirq: ({ line }) => line,
});

const linesOf = (calls: WaitingCalls): LineInterrupts => ({
  canClaim: false,
  claim: (_device, name) => {
    throw new HostError(`claim ${name}`, Errno.EOPNOTSUPP);
  },
  isShared: (line) => calls.ask('isShared', line) as boolean,
  hostUsers: (line) => calls.ask('hostUsers', line) as string[],
});

/** The platform, and calls that tests have beside it. */
export interface RemotePlatform extends Platform {
  ask(call: string, ...args: readonly unknown[]): unknown;
}

/** The host in another process, whose sockets are in `folder`. */
export const createRemotePlatform = async (folder: string, native: NativeLoader): Promise<RemotePlatform> => {
  const session = randomUUID();
  const address = join(folder, HOST_SOCKET);
  const memory = createNativeMemory(native);
  const ports = new Map<number, BoundPort>();
  const calls = new WaitingCalls(memory, address, session);
  const later = await LaterCalls.open(address, session, (port) => {
    const bound = ports.get(port);
    if (bound === undefined) return;
    bound.masked = true;
    bound.listener();
  });
  const xenstore = await openXenstore({ candidates: [join(folder, STORE_SOCKET)] });
  const grants = grantsOf(calls, memory);
  return {
    name: 'remote',
    domain: 0,
    xenstore,
    grants,
    events: eventsOf(calls, ports),
    pci: busOf(calls, later),
    interrupts: interruptsOf(calls),
    lines: linesOf(calls),
    clock,
    failed: later.lost,
    ask: (call, ...args) => calls.ask(call, ...args),
    close: async () => {
      await xenstore.close();
      grants.close();
      for (const port of [...ports.keys()]) calls.ask('close', port);
      ports.clear();
      later.close();
      calls.close();
    },
  };
};

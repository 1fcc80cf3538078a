// SPDX-License-Identifier: MIT

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  MessageType,
  splitStrings,
  strings,
} from '../../plugins/platforms/xen/xenstore-wire.ts';

/** What a test may do with a request instead of letting the server answer it: `true` when it did. */
export type Intercept = (frame: Frame, socket: Socket, answer: () => Buffer) => boolean;

/** A small xenstored: nodes, watches, transactions with conflicts, over a unix socket. */
export interface StoreServer {
  readonly address: string;
  readonly nodes: Map<string, string>;
  readonly permissions: Map<string, string[]>;
  /** Every request that arrived, as text. */
  readonly log: string[];
  intercept: Intercept | undefined;
  /** Ends all connections. */
  disconnect(): void;
  close(): Promise<void>;
}

interface Transaction {
  readonly base: number;
  readonly nodes: Map<string, string>;
  readonly changed: Set<string>;
}

class Refusal extends Error {}

const text = (payload: Uint8Array): string => Buffer.from(payload).toString('utf8');
const ok = strings('OK');

/** The server's largest answer to a list; a longer one has to be asked for in parts. */
const largest = 4096;

export const startStoreServer = async (): Promise<StoreServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'store-'));
  const address = join(folder, 'socket');
  const nodes = new Map<string, string>();
  const permissions = new Map<string, string[]>();
  const log: string[] = [];
  const sockets = new Set<Socket>();
  const watches: { socket: Socket; path: string; token: string }[] = [];
  const transactions = new Map<number, Transaction>();
  let generation = 0;
  let lastTransaction = 100;

  const fire = (path: string): void => {
    for (const watch of watches) {
      if (path !== watch.path && !path.startsWith(`${watch.path}/`) && !watch.path.startsWith(`${path}/`)) continue;
      const payload = strings(path.startsWith(watch.path) ? path : watch.path, watch.token);
      watch.socket.write(encodeFrame({ type: MessageType.watchEvent, request: 0, transaction: 0, payload }));
    }
  };

  const answerOf = (frame: Frame, socket: Socket): Buffer => {
    const [path = '', second = ''] = splitStrings(frame.payload);
    const transaction = frame.transaction === 0 ? undefined : transactions.get(frame.transaction);
    if (frame.transaction !== 0 && transaction === undefined) throw new Refusal('ENOENT');
    const tree = transaction?.nodes ?? nodes;
    const changed = (where: string): void => {
      if (transaction !== undefined) transaction.changed.add(where);
      else {
        generation += 1;
        fire(where);
      }
    };
    const children = (): string[] => {
      const below = [...tree.keys()].filter((name) => name.startsWith(`${path}/`));
      if (!tree.has(path) && below.length === 0) throw new Refusal('ENOENT');
      return [...new Set(below.map((name) => name.slice(path.length + 1).split('/')[0] ?? ''))];
    };
    switch (frame.type) {
      case MessageType.read: {
        const value = tree.get(path);
        if (value === undefined) throw new Refusal('ENOENT');
        return Buffer.from(value);
      }
      case MessageType.write: {
        const end = frame.payload.indexOf(0);
        for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1)) {
          if (!tree.has(path.slice(0, at))) tree.set(path.slice(0, at), '');
        }
        tree.set(path, text(frame.payload.subarray(end + 1)));
        changed(path);
        return ok;
      }
      case MessageType.remove: {
        if (!tree.has(path.slice(0, path.lastIndexOf('/')))) throw new Refusal('ENOENT');
        for (const name of [...tree.keys()]) if (name === path || name.startsWith(`${path}/`)) tree.delete(name);
        changed(path);
        return ok;
      }
      case MessageType.directory: {
        const list = strings(...children());
        if (list.length > largest) throw new Refusal('E2BIG');
        return list;
      }
      case MessageType.directoryPart: {
        const all = strings(...children());
        const offset = Number(second);
        const room = all.subarray(offset, offset + 1000);
        const whole = room.subarray(0, room.lastIndexOf(0) + 1);
        const last = offset + whole.length === all.length ? Buffer.from('\0') : Buffer.alloc(0);
        return Buffer.concat([strings(String(generation)), whole, last]);
      }
      case MessageType.setPermissions: {
        if (!tree.has(path)) throw new Refusal('ENOENT');
        permissions.set(path, splitStrings(frame.payload).slice(1));
        return ok;
      }
      case MessageType.watch:
        watches.push({ socket, path, token: second });
        setImmediate(() => {
          const payload = strings(path, second);
          socket.write(encodeFrame({ type: MessageType.watchEvent, request: 0, transaction: 0, payload }));
        });
        return ok;
      case MessageType.unwatch: {
        const index = watches.findIndex((watch) => watch.path === path && watch.token === second);
        if (index < 0) throw new Refusal('ENOENT');
        watches.splice(index, 1);
        return ok;
      }
      case MessageType.transactionStart:
        transactions.set(++lastTransaction, { base: generation, nodes: new Map(nodes), changed: new Set() });
        return strings(String(lastTransaction));
      case MessageType.transactionEnd: {
        transactions.delete(frame.transaction);
        if (transaction === undefined) throw new Refusal('ENOENT');
        if (path === 'F' || transaction.changed.size === 0) return ok;
        if (transaction.base !== generation) throw new Refusal('EAGAIN');
        generation += 1;
        nodes.clear();
        for (const [name, value] of transaction.nodes) nodes.set(name, value);
        for (const name of transaction.changed) fire(name);
        return ok;
      }
      default:
        throw new Refusal('ENOSYS');
    }
  };

  const reply = (frame: Frame, socket: Socket): Buffer => {
    const { request, transaction } = frame;
    try {
      return encodeFrame({ type: frame.type, request, transaction, payload: answerOf(frame, socket) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return encodeFrame({ type: MessageType.error, request, transaction, payload: strings(error.message) });
    }
  };

  const server = createServer((socket) => {
    const decoder = new FrameDecoder();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // The other end may go away at any time; that is what some tests are about.
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      for (const frame of decoder.push(chunk)) {
        log.push(`${frame.type} ${splitStrings(frame.payload).join(' ')}`);
        if (handle.intercept?.(frame, socket, () => reply(frame, socket)) === true) continue;
        socket.write(reply(frame, socket));
      }
    });
  });
  const handle: StoreServer = {
    address,
    nodes,
    permissions,
    log,
    intercept: undefined,
    disconnect() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      handle.disconnect();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true });
    },
  };
  await new Promise<void>((resolve) => server.listen(address, resolve));
  return handle;
};

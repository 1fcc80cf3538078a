// SPDX-License-Identifier: MIT

import { createServer, type Socket } from 'node:net';
import { crc32 } from 'node:zlib';
import { isPcibackError } from '../../core/errors/index.ts';
import type { StorePermission, StoreView, StoreWatch } from '../../core/platform/index.ts';
import type { EmbeddedStore, StoreConnection } from '../../plugins/platforms/embedded/store.ts';
import { TransactionConflict } from '../../plugins/platforms/embedded/store-transaction.ts';
import {
  encodeFrame,
  type Frame,
  FrameDecoder,
  MAX_PAYLOAD,
  MessageType,
  splitStrings,
  strings,
} from '../../plugins/platforms/xen/xenstore-wire.ts';

/** Told of each message, before and after what it asks for is done. `drop` before: whoever sent it is gone. */
export type StoreGuard = (type: number, stage: 'before' | 'after') => 'go on' | 'drop';

class Refusal extends Error {}
/** The transaction is not to be done, or would have to be done again. */
class Abandoned extends Error {}

interface OpenTransaction {
  readonly view: StoreView;
  /** @throws Refusal `EAGAIN` */
  end(verdict: 'keep' | 'drop'): Promise<void>;
}

const ok = strings('OK');
const letters: Readonly<Record<string, StorePermission['access']>> = { n: 'none', r: 'read', w: 'write', b: 'both' };

/** The store runs the work of a transaction; here it waits for what comes over the wire, and is never done again. */
const beginTransaction = (connection: StoreConnection): Promise<OpenTransaction> =>
  new Promise((resolve) => {
    let begun = false;
    let decide: (verdict: 'keep' | 'drop') => void = () => undefined;
    const decided = new Promise<'keep' | 'drop'>((settle) => {
      decide = settle;
    });
    const finished = connection.transaction(async (view) => {
      if (begun) throw new Refusal('EAGAIN');
      begun = true;
      resolve({
        view,
        end: async (verdict) => {
          decide(verdict);
          await finished.catch((error: unknown) => {
            if (!(error instanceof Abandoned)) throw error;
          });
        },
      });
      if ((await decided) === 'drop') throw new Abandoned();
    });
    finished.catch(() => undefined);
  });

/** What one client has. */
class StoreClient {
  readonly #connection: StoreConnection;
  readonly #socket: Socket;
  readonly #watches = new Map<string, StoreWatch>();
  readonly #transactions = new Map<number, OpenTransaction>();
  #lastTransaction = 0;

  constructor(connection: StoreConnection, socket: Socket) {
    this.#connection = connection;
    this.#socket = socket;
  }

  async answer(frame: Frame): Promise<Buffer> {
    const { type, request, transaction } = frame;
    try {
      return encodeFrame({ type, request, transaction, payload: await this.#do(frame) });
    } catch (error) {
      const payload = strings(refusalOf(error));
      return encodeFrame({ type: MessageType.error, request, transaction, payload });
    }
  }

  close(): void {
    for (const open of this.#transactions.values()) void open.end('drop');
    this.#connection.close();
  }

  async #do(frame: Frame): Promise<Buffer> {
    const [path = '', second = ''] = splitStrings(frame.payload);
    const open = frame.transaction === 0 ? undefined : this.#transactions.get(frame.transaction);
    if (frame.transaction !== 0 && open === undefined) throw new Refusal('ENOENT');
    const view = open?.view ?? this.#connection;
    switch (frame.type) {
      case MessageType.read:
        return Buffer.from(there(await view.read(path)));
      case MessageType.directory:
        return wholeList(there(await view.list(path)));
      case MessageType.directoryPart:
        return partOfList(there(await view.list(path)), Number(second));
      case MessageType.write:
        await view.write(path, Buffer.from(frame.payload.subarray(frame.payload.indexOf(0) + 1)).toString('utf8'));
        return ok;
      case MessageType.remove:
        await view.remove(path);
        return ok;
      case MessageType.setPermissions:
        await view.setPermissions(path, splitStrings(frame.payload).slice(1).map(permissionOf));
        return ok;
      case MessageType.watch: {
        const tell = (changed: string): void => {
          const payload = strings(changed, second);
          this.#socket.write(encodeFrame({ type: MessageType.watchEvent, request: 0, transaction: 0, payload }));
        };
        this.#watches.set(`${path}\0${second}`, await this.#connection.watch(path, tell));
        return ok;
      }
      case MessageType.unwatch: {
        const key = `${path}\0${second}`;
        await there(this.#watches.get(key)).close();
        this.#watches.delete(key);
        return ok;
      }
      case MessageType.transactionStart: {
        const id = ++this.#lastTransaction;
        this.#transactions.set(id, await beginTransaction(this.#connection));
        return strings(String(id));
      }
      case MessageType.transactionEnd:
        this.#transactions.delete(frame.transaction);
        await there(open).end(path === 'T' ? 'keep' : 'drop');
        return ok;
      default:
        throw new Refusal('ENOSYS');
    }
  }
}

const wholeList = (names: readonly string[]): Buffer => {
  const list = strings(...names);
  if (list.length > MAX_PAYLOAD) throw new Refusal('E2BIG');
  return list;
};

/** Bytes of names in one part. */
const PART_BYTES = 2000;

/** Generation, whole names from an offset on, and an empty name behind the last. */
const partOfList = (names: readonly string[], offset: number): Buffer => {
  const list = strings(...names);
  const room = list.subarray(offset, offset + PART_BYTES);
  const part = room.subarray(0, room.lastIndexOf(0) + 1);
  const last = offset + part.length === list.length ? Buffer.from('\0') : Buffer.alloc(0);
  return Buffer.concat([strings(String(crc32(list))), part, last]);
};

const there = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Refusal('ENOENT');
  return value;
};

const permissionOf = (text: string): StorePermission => ({
  access: letters[text.charAt(0)] ?? 'none',
  domain: Number(text.slice(1)),
});

const refusalOf = (error: unknown): string => {
  if (error instanceof TransactionConflict) return 'EAGAIN';
  if (error instanceof Refusal) return error.message;
  if (isPcibackError(error, 'STORE_REFUSED')) return String(error.facts.error);
  throw error;
};

/** The store of the embedded platform, over the wire protocol of a real one. `wait`: before each answer. */
export const serveStore = async (
  store: EmbeddedStore,
  address: string,
  guard: StoreGuard,
  wait: () => Promise<void> | undefined,
): Promise<() => void> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const decoder = new FrameDecoder();
    const client = new StoreClient(store.connect(0), socket);
    let last: Promise<void> = Promise.resolve();
    let gone = false;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      void last.then(() => client.close());
    });
    socket.on('data', (chunk) => {
      for (const frame of decoder.push(chunk)) {
        last = last.then(async () => {
          gone ||= guard(frame.type, 'before') === 'drop';
          if (gone) return;
          await wait();
          const answer = await client.answer(frame);
          guard(frame.type, 'after');
          if (!socket.destroyed) socket.write(answer);
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(address, resolve));
  return () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
};

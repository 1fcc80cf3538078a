// SPDX-License-Identifier: MIT

import { stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { describeError, isPcibackError, type PcibackError } from '../../../core/errors/index.ts';
import type { StorePermission, StoreView, StoreWatch, Xenstore } from '../../../core/platform/index.ts';
import { fail, problem } from '../../errors.ts';
import { connectSocket, openDevice, type StoreTransport } from './xenstore-transport.ts';
import {
  encodeFrame,
  errorName,
  type Frame,
  FrameDecoder,
  isStoreError,
  MAX_PATH,
  MessageType,
  splitStrings,
  strings,
} from './xenstore-wire.ts';

/** A connection to xenstored. */
export interface XenstoreClient extends Xenstore {
  /** Socket or device it is connected to. */
  readonly address: string;
  /** Ends the connection in order: `lost` stays pending, calls that are still open reject with `STORE_LOST`. */
  close(): Promise<void>;
}

interface Pending {
  readonly type: number;
  resolve(payload: Uint8Array): void;
  /** The store's own refusal, by name. */
  refuse(error: string): void;
  reject(error: PcibackError): void;
}

interface Watch {
  readonly listener: (path: string) => void;
  /** Events that came before the store confirmed the watch; undefined once it has. */
  held: Set<string> | undefined;
  closed: boolean;
}

interface Request {
  readonly type: number;
  readonly operation: string;
  /** What the message to the operator names. */
  readonly path: string;
  readonly payload: Uint8Array;
  readonly transaction?: number;
}

/** A transaction is started again this often before its caller is told. */
const MAX_ATTEMPTS = 64;
const letters = { none: 'n', read: 'r', write: 'w', both: 'b' } as const;

const refused = (request: Pick<Request, 'operation' | 'path'>, error: string): PcibackError =>
  problem('STORE_REFUSED', { operation: request.operation, path: request.path, error });
const isRefusal = (error: unknown, name: string): boolean =>
  isPcibackError(error, 'STORE_REFUSED') && error.facts.error === name;

/** Speaks the wire protocol over `transport`. */
export const createXenstoreClient = (transport: StoreTransport): XenstoreClient => {
  const pending = new Map<number, Pending>();
  const watches = new Map<string, Watch>();
  const decoder = new FrameDecoder();
  let down: PcibackError | undefined;
  /** The exchange that the next one waits for, where one at a time is allowed. */
  let last: Promise<unknown> = Promise.resolve();
  let lastRequest = 0;
  let lastToken = 0;
  let reportLost: (cause: Error) => void;
  const lost = new Promise<Error>((resolve) => {
    reportLost = resolve;
  });

  const shut = async (why: string): Promise<void> => {
    const error = problem('STORE_LOST', { why });
    down = error;
    for (const request of pending.values()) request.reject(error);
    pending.clear();
    watches.clear();
    await transport.close();
  };
  const lose = (why: string): void => {
    if (down !== undefined) return;
    shut(why).catch((error: unknown) => {
      // The connection is given up already; that it cannot even be closed only adds to the reason.
      process.emitWarning(`xenstore ${transport.address}: ${describeError(error)}`);
    });
    if (down !== undefined) reportLost(down);
  };

  const nextRequest = (): number => {
    do {
      lastRequest = lastRequest === 0xffffffff ? 1 : lastRequest + 1;
    } while (pending.has(lastRequest));
    return lastRequest;
  };

  const exchange = (asked: Request): Promise<Uint8Array> => {
    if (down !== undefined) return Promise.reject(down);
    const id = nextRequest();
    return new Promise((resolve, reject) => {
      pending.set(id, { type: asked.type, resolve, reject, refuse: (name) => reject(refused(asked, name)) });
      const { type, transaction = 0, payload } = asked;
      transport.send(encodeFrame({ type, request: id, transaction, payload })).catch((error: NodeJS.ErrnoException) => {
        const name = error.code ?? '';
        if (transport.oneAtATime && isStoreError(name)) {
          pending.delete(id);
          reject(refused(asked, name));
        } else lose(error.message);
      });
    });
  };

  const request = (asked: Request): Promise<Uint8Array> => {
    if (asked.path.includes('\0') || asked.path === '') return Promise.reject(refused(asked, 'EINVAL'));
    if (Buffer.byteLength(asked.path) > MAX_PATH || asked.payload.length > transport.maxPayload) {
      return Promise.reject(refused(asked, 'E2BIG'));
    }
    if (!transport.oneAtATime) return exchange(asked);
    const answer = last.then(() => exchange(asked));
    last = answer.catch(() => undefined);
    return answer;
  };

  const deliver = (watch: Watch, path: string): void => {
    if (watch.held !== undefined) {
      watch.held.add(path);
      return;
    }
    // In a turn of its own: what the listener throws is its own matter and must not end the reading of the stream.
    queueMicrotask(() => {
      if (!watch.closed && down === undefined) watch.listener(path);
    });
  };

  const takeEvent = (frame: Frame): void => {
    const [path, token] = splitStrings(frame.payload);
    if (path === undefined || token === undefined) {
      lose('malformed watch event');
      return;
    }
    const watch = watches.get(token);
    // An event may still be under way when its watch is closed.
    if (watch !== undefined) deliver(watch, path);
  };

  const findPending = (frame: Frame): number | undefined => {
    const anonymous = frame.type === MessageType.watch || frame.type === MessageType.unwatch;
    if (!transport.oneAtATime || !anonymous) return pending.has(frame.request) ? frame.request : undefined;
    // The device answers these in order and does not name the request.
    for (const [id, { type }] of pending) if (type === frame.type) return id;
    return undefined;
  };

  const takeReply = (frame: Frame): void => {
    const id = findPending(frame);
    const waiting = id === undefined ? undefined : pending.get(id);
    if (id === undefined || waiting === undefined) {
      lose(`reply ${frame.request} to no request`);
      return;
    }
    if (frame.type !== MessageType.error && frame.type !== waiting.type) {
      lose(`reply of type ${frame.type} to a request of type ${waiting.type}`);
      return;
    }
    pending.delete(id);
    if (frame.type === MessageType.error) waiting.refuse(errorName(frame.payload));
    else waiting.resolve(frame.payload);
  };

  transport.listen({
    data(chunk) {
      try {
        for (const frame of decoder.push(chunk)) {
          if (down !== undefined) return;
          if (frame.type === MessageType.watchEvent) takeEvent(frame);
          else takeReply(frame);
        }
      } catch (error) {
        lose(describeError(error));
      }
    },
    ended: lose,
  });

  const listInParts = async (path: string, transaction: number): Promise<string[]> => {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      let generation: string | undefined;
      let offset = 0;
      const names: string[] = [];
      for (;;) {
        const asked = { type: MessageType.directoryPart, operation: 'list', path, transaction };
        const payload = await request({ ...asked, payload: strings(path, String(offset)) });
        const [seen, ...part] = splitStrings(payload);
        if (seen === undefined || !/^\d+$/.test(seen)) throw refused(asked, 'malformed reply');
        generation ??= seen;
        // The children changed between two parts: what was gathered is of no use.
        if (generation !== seen) break;
        const found = part.filter((name) => name !== '');
        names.push(...found);
        offset += found.reduce((sum, name) => sum + Buffer.byteLength(name) + 1, 0);
        if (found.length === 0 || part.length > found.length) return names;
      }
    }
    throw refused({ operation: 'list', path }, `changing all the time, given up after ${MAX_ATTEMPTS} attempts`);
  };

  const viewOf = (transaction: number, check: () => void): StoreView => {
    const ask = async (type: number, operation: string, path: string, payload: Uint8Array): Promise<Uint8Array> => {
      check();
      return request({ type, operation, path, payload, transaction });
    };
    const unlessMissing = async <T>(work: Promise<T>): Promise<T | undefined> => {
      try {
        return await work;
      } catch (error) {
        if (isRefusal(error, 'ENOENT')) return undefined;
        throw error;
      }
    };
    return {
      read: async (path) => {
        const value = await unlessMissing(ask(MessageType.read, 'read', path, strings(path)));
        return value === undefined ? undefined : Buffer.from(value).toString('utf8');
      },
      list: async (path) => {
        try {
          const names = await unlessMissing(ask(MessageType.directory, 'list', path, strings(path)));
          return names === undefined ? undefined : splitStrings(names);
        } catch (error) {
          // More names than one message holds.
          if (isRefusal(error, 'E2BIG')) return unlessMissing(listInParts(path, transaction));
          throw error;
        }
      },
      write: async (path, value) => {
        await ask(MessageType.write, 'write', path, Buffer.concat([strings(path), Buffer.from(value)]));
      },
      remove: async (path) => {
        // A missing node is fine for the store already; a missing parent is not, and is no error here.
        await unlessMissing(ask(MessageType.remove, 'remove', path, strings(path)));
      },
      setPermissions: async (path, permissions: readonly StorePermission[]) => {
        const list = permissions.map(({ access, domain }) => `${letters[access]}${domain}`);
        await ask(MessageType.setPermissions, 'set permissions', path, strings(path, ...list));
      },
    };
  };

  const attempt = async <T>(work: (view: StoreView) => Promise<T>): Promise<T> => {
    const named = { operation: 'transaction', path: '/' };
    const started = await request({ ...named, type: MessageType.transactionStart, payload: strings('') });
    const id = Number(/^(\d{1,10})\0?$/.exec(Buffer.from(started).toString('latin1'))?.[1] ?? 0);
    if (id === 0 || id > 0xffffffff) throw refused(named, 'malformed reply');
    const end = (verdict: 'T' | 'F') =>
      request({ ...named, type: MessageType.transactionEnd, payload: strings(verdict), transaction: id });
    let open = true;
    const check = (): void => {
      if (!open) throw refused(named, 'used after its end');
    };
    let result: T;
    try {
      result = await work(viewOf(id, check));
    } catch (error) {
      open = false;
      // The failure of the work is what the caller must hear of, whether or not it could be undone in order.
      await Promise.allSettled([end('F')]);
      throw error;
    }
    open = false;
    await end('T');
    return result;
  };

  return {
    ...viewOf(0, () => undefined),
    address: transport.address,
    lost,
    async transaction(work) {
      for (let attempts = 1; ; attempts++) {
        try {
          return await attempt(work);
        } catch (error) {
          if (!isRefusal(error, 'EAGAIN')) throw error;
          if (attempts === MAX_ATTEMPTS) {
            throw refused({ operation: 'transaction', path: '/' }, `EAGAIN, ${MAX_ATTEMPTS} times in a row`);
          }
          // Two writers that collided must not collide again in step.
          await pause(Math.random() * Math.min(2 ** attempts, 64));
        }
      }
    },
    async watch(path, listener): Promise<StoreWatch> {
      const token = `pciback-${++lastToken}`;
      const watch: Watch = { listener, held: new Set(), closed: false };
      const payload = strings(path, token);
      watches.set(token, watch);
      try {
        await request({ type: MessageType.watch, operation: 'watch', path, payload });
      } catch (error) {
        watches.delete(token);
        throw error;
      }
      const held = watch.held ?? [];
      watch.held = undefined;
      for (const changed of held) deliver(watch, changed);
      return {
        async close() {
          if (watch.closed) return;
          watch.closed = true;
          watches.delete(token);
          try {
            await request({ type: MessageType.unwatch, operation: 'unwatch', path, payload });
          } catch (error) {
            // A store that is gone, or that no longer knows the watch, has nothing left to end.
            if (!isPcibackError(error, 'STORE_LOST') && !isRefusal(error, 'ENOENT')) throw error;
          }
        },
      };
    },
    async close() {
      if (down === undefined) await shut('closed here');
    },
  };
};

/** Where to look for the store. */
export interface StoreAddresses {
  /** Tried in this order; a socket or a device file. */
  readonly candidates: readonly string[];
}

/** The usual places, or the one place that `XENSTORED_PATH` or `XENSTORED_RUNDIR` names. */
export const storeAddresses = (environment: NodeJS.ProcessEnv = process.env): StoreAddresses => {
  const { XENSTORED_PATH: path, XENSTORED_RUNDIR: folder } = environment;
  if (path !== undefined && path !== '') return { candidates: [path] };
  if (folder !== undefined && folder !== '') return { candidates: [`${folder}/socket`, `${folder}/xenstored/socket`] };
  return {
    candidates: ['/run/xenstored/socket', '/var/run/xenstored/socket', '/dev/xen/xenbus', '/proc/xen/xenbus'],
  };
};

/**
 * Connects to the first address that is there.
 *
 * @throws PcibackError `STORE_UNREACHABLE`, `NO_PRIVILEGE`
 */
export const openXenstore = async (addresses: StoreAddresses = storeAddresses()): Promise<XenstoreClient> => {
  const reasons: string[] = [];
  for (const address of addresses.candidates) {
    try {
      const socket = (await stat(address)).isSocket();
      return createXenstoreClient(await (socket ? connectSocket(address) : openDevice(address)));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') fail('NO_PRIVILEGE', { what: address, why: code }, error);
      reasons.push(describeError(error));
    }
  }
  return fail('STORE_UNREACHABLE', { tried: addresses.candidates, why: reasons.join('; ') });
};

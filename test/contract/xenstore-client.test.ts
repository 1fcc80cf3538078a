// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Platform } from '../../core/platform/index.ts';
import {
  createXenstoreClient,
  openXenstore,
  storeAddresses,
  type XenstoreClient,
} from '../../plugins/platforms/xen/xenstore-client.ts';
import { connectSocket } from '../../plugins/platforms/xen/xenstore-transport.ts';
import { encodeFrame, MessageType, strings } from '../../plugins/platforms/xen/xenstore-wire.ts';
import { storeContract } from '../kit/platform-contract-store.ts';
import type { PlatformFixture } from '../kit/platform-fixture.ts';
import { type StoreServer, startStoreServer } from './store-server.ts';

let server: StoreServer;
let store: XenstoreClient;
beforeEach(async () => {
  server = await startStoreServer();
  store = createXenstoreClient(await connectSocket(server.address));
});
afterEach(async () => {
  await store.close();
  await server.close();
});

describe('xenstore client: the contract', () => {
  for (const { name, run } of storeContract) {
    it(name, async () => {
      const platform = { xenstore: store, domain: 0 } as unknown as Platform;
      const peer = { domain: 7 } as PlatformFixture['peer'];
      await run({ platform, peer, folder: '/test', patience: 20 } as unknown as PlatformFixture);
    });
  }
});

describe('xenstore client: the stream', () => {
  it('puts replies together that come byte by byte', async () => {
    server.nodes.set('/a', 'value');
    server.intercept = (_frame, socket, answer) => {
      const bytes = answer();
      const next = (at: number): void => {
        if (at === bytes.length) return;
        socket.write(bytes.subarray(at, at + 1));
        setImmediate(() => next(at + 1));
      };
      socket.setNoDelay(true);
      next(0);
      return true;
    };
    expect(await store.read('/a')).toBe('value');
  });

  it('takes several replies and an event out of one chunk, in any order', async () => {
    server.nodes.set('/a', '1').set('/b', '2').set('/c', '3');
    const held: Buffer[] = [];
    const seen: string[] = [];
    const watch = await store.watch('/w', (path) => seen.push(path));
    server.intercept = (frame, socket, answer) => {
      if (frame.type !== MessageType.read) return false;
      held.unshift(answer());
      if (held.length < 3) return true;
      const token = server.log.find((line) => line.startsWith(`${MessageType.watch} `))?.split(' ')[2] ?? '';
      const event = { type: MessageType.watchEvent, request: 0, transaction: 0, payload: strings('/w/x', token) };
      socket.write(Buffer.concat([encodeFrame(event), ...held]));
      return true;
    };
    expect(await Promise.all([store.read('/a'), store.read('/b'), store.read('/c')])).toEqual(['1', '2', '3']);
    await expect.poll(() => seen).toContain('/w/x');
    await watch.close();
  });

  it('delivers an event that overtakes the confirmation of its watch, after it', async () => {
    const order: string[] = [];
    server.intercept = (frame, socket, answer) => {
      if (frame.type !== MessageType.watch) return false;
      socket.write(encodeFrame({ type: MessageType.watchEvent, request: 0, transaction: 0, payload: frame.payload }));
      setTimeout(() => socket.write(answer()), 10);
      return true;
    };
    await store.watch('/w', () => order.push('event'));
    order.unshift('watched');
    await expect.poll(() => order.length).toBeGreaterThan(1);
    expect(order[0]).toBe('watched');
  });

  it('a listener that closes its watch is not called for the next event of the same chunk', async () => {
    let calls = 0;
    const watch = await store.watch('/w', () => {
      calls += 1;
      if (calls === 2) watch.close();
    });
    await expect.poll(() => calls).toBe(1);
    const token = server.log[0]?.split(' ')[2] ?? '';
    server.intercept = (frame, socket, answer) => {
      if (frame.type !== MessageType.read) return false;
      const event = { type: MessageType.watchEvent, request: 0, transaction: 0, payload: strings('/w', token) };
      return (
        socket.write(Buffer.concat([encodeFrame(event), encodeFrame(event), encodeFrame(event), answer()])) || true
      );
    };
    await store.read('/a');
    await new Promise(setImmediate);
    expect(calls).toBe(2);
  });

  it('a listener that throws does not stop the reading', async () => {
    const thrown: unknown[] = [];
    const previous = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => thrown.push(error));
    try {
      await store.watch('/w', () => {
        throw new Error('listener');
      });
      await expect.poll(() => thrown.length).toBe(1);
      expect(await store.read('/a')).toBeUndefined();
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of previous) process.on('uncaughtException', listener);
    }
  });
});

describe('xenstore client: transactions', () => {
  it('are done again as long as the end answers EAGAIN', async () => {
    let refusals = 5;
    server.intercept = (frame, socket) => {
      if (frame.type !== MessageType.transactionEnd || refusals-- <= 0) return false;
      socket.write(encodeFrame({ ...frame, type: MessageType.error, payload: strings('EAGAIN') }));
      return true;
    };
    let runs = 0;
    await store.transaction(async (view) => {
      runs += 1;
      await view.write('/a', String(runs));
    });
    expect(runs).toBe(6);
    expect(server.nodes.get('/a')).toBe('6');
  });

  it('are given up when it never ends', async () => {
    server.intercept = (frame, socket) => {
      if (frame.type !== MessageType.transactionEnd) return false;
      socket.write(encodeFrame({ ...frame, type: MessageType.error, payload: strings('EAGAIN') }));
      return true;
    };
    await expect(store.transaction(async () => 1)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  }, 20_000);

  it('are not done again for another error', async () => {
    server.intercept = (frame, socket) => {
      if (frame.type !== MessageType.transactionEnd) return false;
      socket.write(encodeFrame({ ...frame, type: MessageType.error, payload: strings('ENOSPC') }));
      return true;
    };
    let runs = 0;
    await expect(store.transaction(async () => ++runs)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    expect(runs).toBe(1);
  });

  it('refuse a view that is used after the end', async () => {
    const view = await store.transaction(async (inside) => inside);
    await expect(view.read('/a')).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  });
});

describe('xenstore client: refusals', () => {
  it('name operation, path and error', async () => {
    server.intercept = (frame, socket) => {
      socket.write(encodeFrame({ ...frame, type: MessageType.error, payload: strings('EACCES') }));
      return true;
    };
    await expect(store.write('/a', '1')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      facts: { operation: 'write', path: '/a', error: 'EACCES' },
    });
  });

  it('with an unknown name count as EINVAL', async () => {
    server.intercept = (frame, socket) => {
      socket.write(encodeFrame({ ...frame, type: MessageType.error, payload: strings('EWHATEVER') }));
      return true;
    };
    await expect(store.read('/a')).rejects.toMatchObject({ facts: { error: 'EINVAL' } });
  });

  it('of a watch leave no watch behind', async () => {
    server.intercept = (frame, socket) => {
      if (frame.type !== MessageType.watch) return false;
      socket.write(encodeFrame({ ...frame, type: MessageType.error, payload: strings('EINVAL') }));
      return true;
    };
    await expect(store.watch('bad path', () => undefined)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
  });

  it('are made here for what the server would end the connection for', async () => {
    await expect(store.write('/a', 'x'.repeat(4096))).rejects.toMatchObject({ facts: { error: 'E2BIG' } });
    await expect(store.read(`/${'a'.repeat(3072)}`)).rejects.toMatchObject({ facts: { error: 'E2BIG' } });
    await expect(store.write('/a\0/b', '')).rejects.toMatchObject({ facts: { error: 'EINVAL' } });
    await expect(store.read('')).rejects.toMatchObject({ facts: { error: 'EINVAL' } });
    expect(server.log).toEqual([]);
    await store.write('/a', 'x'.repeat(4093));
    expect(server.nodes.get('/a')?.length).toBe(4093);
  });

  it('permissions are written in the letters of the store', async () => {
    await store.write('/a', '1');
    await store.setPermissions('/a', [
      { domain: 0, access: 'none' },
      { domain: 5, access: 'read' },
      { domain: 6, access: 'write' },
      { domain: 7, access: 'both' },
    ]);
    expect(server.permissions.get('/a')).toEqual(['n0', 'r5', 'w6', 'b7']);
  });
});

describe('xenstore client: the end of the connection', () => {
  const lostWith = async (reason: string | RegExp): Promise<void> => {
    const cause = await store.lost;
    expect(cause).toMatchObject({ code: 'STORE_LOST', message: expect.stringMatching(reason) });
    await expect(store.read('/a')).rejects.toMatchObject({ code: 'STORE_LOST' });
    await expect(store.watch('/a', () => undefined)).rejects.toMatchObject({ code: 'STORE_LOST' });
    await expect(store.transaction(async () => 1)).rejects.toMatchObject({ code: 'STORE_LOST' });
  };

  it('by the server rejects what is pending and what comes later', async () => {
    const watch = await store.watch('/w', () => undefined);
    server.intercept = () => true;
    const pending = Promise.allSettled([store.read('/a'), store.write('/b', '1'), store.list('/')]);
    await expect.poll(() => server.log.length).toBe(4);
    server.disconnect();
    for (const result of await pending) expect(result).toMatchObject({ reason: { code: 'STORE_LOST' } });
    await lostWith('closed the connection');
    await watch.close();
  });

  it('inside a transaction fails the transaction', async () => {
    const work = store.transaction(async (view) => {
      await view.write('/a', '1');
      server.disconnect();
      return view.read('/a');
    });
    await expect(work).rejects.toMatchObject({ code: 'STORE_LOST' });
  });

  const garbage: readonly (readonly [string, (frame: { type: number; request: number }) => Buffer, RegExp])[] = [
    ['a payload that is too long', () => Buffer.from(Uint32Array.of(2, 1, 0, 4097).buffer), /4097 bytes/],
    ['an unknown type', () => Buffer.from(Uint32Array.of(99, 1, 0, 0).buffer), /type 99/],
    [
      'a reply to no request',
      ({ type }) => encodeFrame({ type, request: 4711, transaction: 0, payload: strings('OK') }),
      /4711/,
    ],
    [
      'a reply of another type',
      ({ request }) => encodeFrame({ type: MessageType.write, request, transaction: 0, payload: strings('OK') }),
      /type 11/,
    ],
    [
      'an event without a token',
      () => encodeFrame({ type: MessageType.watchEvent, request: 0, transaction: 0, payload: strings('/a') }),
      /watch event/,
    ],
  ];
  for (const [what, bytes, reason] of garbage) {
    it(`${what} ends it`, async () => {
      server.intercept = (frame, socket) => socket.write(bytes(frame)) || true;
      await expect(store.read('/a')).rejects.toMatchObject({ code: 'STORE_LOST' });
      await lostWith(reason);
    });
  }

  it('an event for an unknown token does not end it', async () => {
    server.intercept = (_frame, socket, answer) => {
      const payload = strings('/a', 'nobody');
      socket.write(encodeFrame({ type: MessageType.watchEvent, request: 0, transaction: 0, payload }));
      return socket.write(answer()) || true;
    };
    expect(await store.read('/a')).toBeUndefined();
  });

  it('in order leaves lost pending', async () => {
    let lost = false;
    store.lost.then(() => {
      lost = true;
    });
    await store.close();
    await store.close();
    await expect(store.read('/a')).rejects.toMatchObject({ code: 'STORE_LOST' });
    await new Promise(setImmediate);
    expect(lost).toBe(false);
  });
});

describe('xenstore client: where the store is', () => {
  it('is the socket of the environment', async () => {
    const client = await openXenstore(storeAddresses({ XENSTORED_PATH: server.address }));
    expect(client.address).toBe(server.address);
    await client.close();
    const folder = server.address.replace(/\/socket$/, '');
    const other = await openXenstore(storeAddresses({ XENSTORED_RUNDIR: folder }));
    expect(other.address).toBe(server.address);
    await other.close();
  });

  it('is looked for at the usual places otherwise, sockets first', () => {
    const { candidates } = storeAddresses({});
    expect(candidates[0]).toBe('/run/xenstored/socket');
    expect(candidates.indexOf('/dev/xen/xenbus')).toBeGreaterThan(candidates.indexOf('/var/run/xenstored/socket'));
  });

  it('is nowhere: the error names every place', async () => {
    const candidates = [join(tmpdir(), 'no-store-1'), join(tmpdir(), 'no-store-2')];
    expect(candidates.some(existsSync)).toBe(false);
    await expect(openXenstore({ candidates })).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
      message: expect.stringMatching(/no-store-1.*no-store-2/),
    });
  });
});

// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { Errno, HostError } from '../../../../core/platform/index.ts';
import { poolReader, type ReadEvents } from '../../../../plugins/platforms/xen/event-reader.ts';
import { createEvents, type XenEvents } from '../../../../plugins/platforms/xen/events.ts';
import { createFakeNative, type FakeNative, fakePointer } from './fake-native.ts';

interface Machine {
  readonly native: FakeNative;
  readonly read: ReadEvents;
  /** Completes the read that waits, with these ports or this error. */
  raise(...ports: number[]): void;
  break(code: string, errno: number): void;
  /** Number of reads that were started. */
  reads: number;
  /** No port is bound to another one any more. */
  refuse: boolean;
}

/** An event device: ports count up from `first`; closed ones are given out again, lowest first. */
const machine = (first = 10): Machine => {
  const free: number[] = [];
  let next = first;
  let waiting: { into: Buffer; done: Parameters<ReadEvents>[2] } | undefined;
  const port = (): number => free.sort((a, b) => a - b).shift() ?? next++;
  const finish = (fill: (into: Buffer) => number): void => {
    const now = waiting;
    waiting = undefined;
    if (now === undefined) throw new Error('nobody reads');
    now.done(null, fill(now.into));
  };
  const raise = (...ports: number[]): void =>
    finish((into) => {
      ports.forEach((value, index) => {
        into.writeUInt32LE(value, index * 4);
      });
      return ports.length * 4;
    });
  const native = createFakeNative({
    xenevtchn_open: () => fakePointer(),
    xenevtchn_close: () => 0,
    xenevtchn_fd: () => 77,
    xenevtchn_bind_unbound_port: port,
    xenevtchn_bind_interdomain: (_handle, domain) => {
      if (domain !== 666 && !result.refuse) return port();
      native.setErrno(22);
      return -1;
    },
    xenevtchn_notify: (_handle, value) => {
      // The loopback: the far end is the second port that was given out.
      if (value === first + 1) setImmediate(() => raise(first));
      return 0;
    },
    xenevtchn_unmask: () => 0,
    xenevtchn_unbind: (_handle, value) => {
      free.push(Number(value));
      return 0;
    },
    ioctl: () => 0,
  });
  const result: Machine = {
    native,
    raise,
    reads: 0,
    refuse: false,
    read: (fd, into, done) => {
      expect(fd).toBe(77);
      expect(waiting).toBeUndefined();
      result.reads += 1;
      waiting = { into, done };
    },
    break(code, errno) {
      const now = waiting;
      waiting = undefined;
      now?.done(Object.assign(new Error(code), { code, errno: -errno }), 0);
    },
  };
  return result;
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
let events: XenEvents | undefined;
const create = (from: Machine, failures: Error[] = []): XenEvents => {
  events = createEvents(from.native, {
    domain: 0,
    onFailure: (error) => failures.push(error),
    reader: (terms) => poolReader(terms, from.read),
  });
  return events;
};
afterEach(async () => {
  await events?.close();
  events = undefined;
});

describe('event channels of platform xen', () => {
  it('one reader serves all channels, each event goes to its own listener', async () => {
    const from = machine();
    const channels = create(from);
    const calls: string[] = [];
    const a = channels.bindInterdomain(1, 5, () => calls.push('a'));
    const b = channels.bindInterdomain(2, 5, () => calls.push('b'));
    from.raise(b.port, a.port);
    expect(calls).toEqual([]);
    await turn();
    expect(calls).toEqual(['b', 'a']);
    from.raise(9999);
    from.raise(a.port);
    await turn();
    expect(calls).toEqual(['b', 'a', 'a']);
    expect(from.reads).toBe(4);
  });

  it('a channel closed between the read and the call is not called', async () => {
    const from = machine();
    const calls: string[] = [];
    const channel = create(from).bindInterdomain(1, 5, () => calls.push('a'));
    from.raise(channel.port);
    channel.close();
    await turn();
    expect(calls).toEqual([]);
  });

  it('a closed channel does nothing to the one that has its port now', async () => {
    const from = machine();
    const channels = create(from);
    const calls: string[] = [];
    const old = channels.bindInterdomain(1, 5, () => calls.push('old'));
    old.close();
    const young = channels.bindInterdomain(2, 6, () => calls.push('young'));
    expect(young.port).toBe(old.port);
    const before = from.native.calls.length;
    old.close();
    old.unmask();
    old.notify();
    expect(from.native.calls.length).toBe(before);
    from.raise(young.port);
    await turn();
    expect(calls).toEqual(['young']);
  });

  it('after an overflow the queue is reset and every channel is called', async () => {
    const from = machine();
    const channels = create(from);
    const calls: string[] = [];
    channels.bindInterdomain(1, 5, () => calls.push('a'));
    channels.bindInterdomain(2, 5, () => calls.push('b')).close();
    channels.bindInterdomain(3, 5, () => calls.push('c'));
    from.break('EFBIG', 27);
    await turn();
    expect(from.native.calls.filter((call) => call.startsWith('ioctl'))).toEqual([`ioctl 77 ${0x4505} 0`]);
    expect(calls).toEqual(['a', 'c']);
    expect(from.reads).toBe(2);
  });

  it('an interrupted read is done again, another error is reported once', async () => {
    const from = machine();
    const failures: Error[] = [];
    create(from, failures);
    from.break('EINTR', 4);
    expect(from.reads).toBe(2);
    expect(failures).toEqual([]);
    from.break('EIO', 5);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toBeInstanceOf(HostError);
    expect(failures[0]).toMatchObject({ errno: 5 });
    expect(from.reads).toBe(2);
    events = undefined;
  });

  it('a refused binding is a HostError with errno, and names the remote end', () => {
    const from = machine();
    expect(() => create(from).bindInterdomain(666, 5, () => undefined)).toThrow(
      expect.objectContaining({ errno: 22, message: expect.stringContaining('domain 666, port 5') }),
    );
  });

  it('a closed device is not asked for a channel', async () => {
    const from = machine();
    const channels = create(from);
    await channels.close();
    const calls = from.native.calls.length;
    expect(() => channels.bindInterdomain(1, 5, () => undefined)).toThrow(
      expect.objectContaining({ errno: Errno.ENODEV }),
    );
    expect(from.native.calls).toHaveLength(calls);
  });

  it('close wakes the reader, waits for it, closes the handle and ends every listener', async () => {
    const from = machine();
    const channels = create(from);
    const calls: string[] = [];
    const channel = channels.bindInterdomain(1, 5, () => calls.push('a'));
    from.raise(channel.port);
    await channels.close();
    await channels.close();
    expect(calls).toEqual([]);
    expect(from.native.calls.at(-1)).toBe('xenevtchn_close handle');
    expect(from.native.calls.filter((call) => call.startsWith('xenevtchn_close'))).toHaveLength(1);
    expect(() => channels.bindInterdomain(1, 5, () => undefined)).toThrow(HostError);
  });

  it('the end of the process wakes the reader, for nothing else would', async () => {
    const before = process.listeners('exit').length;
    const from = machine();
    const channels = create(from);
    const added = process.listeners('exit').slice(before);
    expect(added).toHaveLength(1);
    await channels.close();
    expect(process.listeners('exit')).toHaveLength(before);
  });

  it('a handle that cannot be bound to itself is closed again', () => {
    const from = machine();
    expect(() =>
      createEvents(from.native, {
        domain: 666,
        onFailure: () => undefined,
        reader: (terms) => poolReader(terms, from.read),
      }),
    ).toThrow(HostError);
    expect(from.native.calls.at(-1)).toBe('xenevtchn_close handle');
    expect(from.reads).toBe(0);
  });
});

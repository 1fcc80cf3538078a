// SPDX-License-Identifier: MIT

import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bdf } from '../../../../core/bdf.ts';
import { Command, MAX_MESSAGE, Region } from '../../../../plugins/platforms/vfio-user/messages.ts';
import type { RcFile } from '../../../../plugins/program/config.ts';
import { type RunningPciback, startPciback } from '../../../../plugins/program/start.ts';
import { recordingLog } from '../../../kit/embedded-host.ts';
import { until } from '../../../kit/until.ts';
import { message, regionBody, VfioUserClient, words } from '../../../kit/vfio-user-client.ts';

const DISK = bdf(0, 3, 0);

let home: string;
let running: RunningPciback | undefined;
let clients: VfioUserClient[];
let log: ReturnType<typeof recordingLog>;

const at = (name: string): string => join(home, name);
const nic = (): string => at('0000:01:00.0.sock');
const disk = (): string => at('0000:03:00.0.sock');

const start = async (config: RcFile = {}): Promise<RunningPciback> => {
  log = recordingLog();
  running = await startPciback({
    config: { platform: 'vfio-user', control: false, 'vfio-user': { folder: '.' }, ...config },
    directory: home,
    log: log.log,
  });
  return running;
};

const connect = async (path: string, greeting?: 'silent'): Promise<VfioUserClient> => {
  const client = await VfioUserClient.connect(path, greeting);
  clients.push(client);
  return client;
};

const ask = async (name: string, asks: Record<string, unknown> = {}): Promise<unknown> =>
  (running as RunningPciback).parts.operations().get(name)?.answer(asks);

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-vfio-user-'));
  clients = [];
});
afterEach(async () => {
  for (const one of clients) one.end();
  await running?.stop();
  running = undefined;
  rmSync(home, { recursive: true });
});

describe('platform vfio-user', () => {
  it('offers every endpoint at a socket of its own, for its own user, and takes them away at the end', async () => {
    const { stop } = await start();
    expect(existsSync(at('0000:00:1c.0.sock'))).toBe(false);
    expect(statSync(nic()).mode & 0o777).toBe(0o600);
    expect(await stop()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    expect([nic(), disk()].map(existsSync)).toEqual([false, false]);
  });

  it('gives the device to a client, and back when it goes', async () => {
    const { engine } = await start();
    const client = await connect(nic());
    expect(await client.config(0, 4)).toBe(0x10d38086);
    expect(engine.ledger().assigned).toBe(1);
    client.end();
    await until('it is given back', () => engine.ledger().assigned === 0);
    expect(await (await connect(nic())).config(0, 4)).toBe(0x10d38086);
  });

  it('serves a second client of a device when the first has gone, and not before', async () => {
    await start();
    const first = await connect(nic());
    const second = await connect(nic(), 'silent');
    const answer = second.reply();
    second.socket.write(message(Command.version, Buffer.from([0, 0, 0, 0])));
    expect(await first.config(0, 2)).toBe(0x8086);
    first.end();
    expect((await answer).errno).toBe(0);
  });

  it('passes over clients that went while they waited', async () => {
    const { engine } = await start();
    const first = await connect(nic());
    for (let count = 0; count < 100; count++) (await connect(nic(), 'silent')).end();
    const last = await connect(nic(), 'silent');
    const answer = last.reply();
    last.socket.write(message(Command.version, Buffer.from([0, 0, 0, 0])));
    const assigned = vi.spyOn(engine.stub, 'assign');
    first.end();
    expect((await answer).errno).toBe(0);
    expect(assigned).toHaveBeenCalledTimes(1);
  });

  it('a guest gives its device addresses of its own there, and hardware keeps the host’s', async () => {
    const { engine } = await start();
    const client = await connect(nic());
    const host = await client.config(0x10, 4);
    await client.setConfig(0x10, 4, 0xffffffff);
    expect(await client.config(0x10, 4)).toBe(0xfffe0000);
    await client.setConfig(0x10, 4, 0xe0000000);
    expect(await client.config(0x10, 4)).toBe(0xe0000000);
    const { hardware } = engine.stub.devices[0]?.operations ?? expect.fail('not seized');
    expect(hardware.readConfig(0x10, 4)).toBe(host);
    expect(engine.stub.devices[0]?.assignment?.tenant.denials.total).toBe(0);
  });

  it('what the client looks after is the guest’s own: line, INTX_DISABLE, MSI and MSI-X', async () => {
    const { engine } = await start();
    const client = await connect(nic());
    for (const [offset, size, value, seen] of [
      [0x3c, 1, 0x2a, 0x2a],
      [0x04, 2, 0x0406, 0x0406],
      [0xd2, 2, 0x0081, 0x0081],
      [0xd4, 4, 0xfee00120, 0xfee00120],
      [0xdc, 2, 0x4021, 0x4021],
      [0xa2, 2, 0xc004, 0xc004],
    ] as const) {
      expect(await client.setConfig(offset, size, value)).toBe(0);
      expect(await client.config(offset, size)).toBe(seen);
    }
    const { hardware } = engine.stub.devices[0]?.operations ?? expect.fail('not seized');
    expect([0xd2, 0xa2].map((at) => hardware.readConfig(at, 2) & 0xc001)).toEqual([0, 0]);
    expect(engine.stub.devices[0]?.assignment?.tenant.denials.total).toBe(0);
  });

  it('what no field covers is refused, recorded, and explained', async () => {
    await start();
    const client = await connect(nic());
    expect(await client.setConfig(0x44, 4, 0x12345678)).toBe(0);
    expect(await client.config(0x44, 4)).toBe(0);
    expect(await ask('denials', { bdf: '01:00.0' })).toMatchObject({
      guest: { name: '0000:01:00.0' },
      total: 1,
      denials: [{ offset: 0x44, size: 4, mask: 0x12345678, owner: 'policy: drop' }],
    });
  });

  it('a power state is waited for, and its answer comes then', async () => {
    await start();
    const client = await connect(nic());
    expect(await client.setConfig(0xcc, 2, 3)).toBe(0);
    expect((await client.config(0xcc, 2)) & 3).toBe(3);
    expect(await client.setConfig(0xcc, 2, 0)).toBe(0);
  });

  it('a reset clears what BARs remember, not the guest’s addresses', async () => {
    await start();
    const client = await connect(nic());
    await client.setConfig(0x10, 4, 0xe0000000);
    await client.write(0, 0x100, words(0xdeadbeef));
    expect(await client.read(0, 0x100, 4)).toEqual(words(0xdeadbeef));
    expect((await client.ask(Command.reset)).errno).toBe(0);
    expect(await client.read(0, 0x100, 4)).toEqual(words(0));
    expect(await client.config(0x10, 4)).toBe(0xe0000000);
  });

  it('says what its clients did', async () => {
    await start();
    const client = await connect(nic());
    await client.config(0, 4);
    await client.ask(99);
    const report = (await ask('clients')) as { readonly bdf: string; readonly client?: object }[];
    expect(report.filter((one) => one.client !== undefined)).toMatchObject([
      { bdf: '0000:01:00.0', client: { messages: { version: 1, regionRead: 1 }, refused: 1 } },
    ]);
    expect(await ask('inject-interrupt', { bdf: '01:00.0' })).toEqual({
      kind: 'intx',
      vector: 0,
      outcome: 'not wanted',
    });
    await expect(ask('inject-interrupt', { bdf: '03:00.0' })).rejects.toThrow(/no client has 0000:03:00.0/);
  });

  it('does not take a socket at which somebody answers', async () => {
    await start();
    await expect(
      startPciback({
        config: { platform: 'vfio-user', control: false, 'vfio-user': { sockets: { '01:00.0': nic() } } },
        directory: home,
      }),
    ).rejects.toThrow(/somebody answers there/);
    expect(await (await connect(nic())).config(0, 4)).toBe(0x10d38086);
  });
});

describe('a client that does not behave', () => {
  it.each([
    ['a length of nothing', message(Command.reset).fill(0, 4, 8)],
    ['a length of 4 GiB', message(Command.reset).fill(0xff, 4, 8)],
    ['a reply', message(Command.dmaRead, new Uint8Array(0), 1, 1)],
    ['zeros', Buffer.alloc(64)],
  ])('%s ends its connection, and nobody else’s', async (_, bytes) => {
    const { engine } = await start();
    const other = await connect(disk());
    const client = await connect(nic());
    client.socket.write(bytes);
    await client.closed;
    expect(await other.config(0, 4)).toBe(0xa808144d);
    await until('its device is back', () => engine.ledger().assigned === 1);
  });

  it('half a message is waited for without anybody else waiting', async () => {
    await start();
    const [client, other] = [await connect(nic()), await connect(disk())];
    const whole = message(Command.regionRead, regionBody(Region.config, 0, 4), 7);
    client.socket.write(whole.subarray(0, 20));
    for (let i = 0; i < 50; i++) expect(await other.config(0, 4)).toBe(0xa808144d);
    const reply = client.reply();
    client.socket.write(whole.subarray(20));
    expect((await reply).body.readUInt32LE(16)).toBe(0x10d38086);
  });

  it('that reads no replies is not read from any more, and the others go on', async () => {
    const { engine } = await start();
    const [client, other] = [await connect(nic()), await connect(disk())];
    client.socket.pause();
    const one = message(Command.regionRead, regionBody(0, 0, 0x10000));
    for (let i = 0; i < 200; i++) client.socket.write(one);
    for (let i = 0; i < 50; i++) expect(await other.config(0, 4)).toBe(0xa808144d);
    client.end();
    await until('its device is back', () => engine.ledger().assigned === 1);
  });

  it('that sends more than anybody can take is served one message after the other', async () => {
    await start();
    const [client, other] = [await connect(nic()), await connect(disk())];
    const longest = message(Command.regionWrite, regionBody(1, 0, 0x20000, new Uint8Array(0x20000).fill(1)));
    expect(longest.length).toBeLessThan(MAX_MESSAGE);
    const replies = Array.from({ length: 20 }, () => client.reply());
    for (let i = 0; i < 20; i++) client.socket.write(longest);
    expect(await other.config(0, 4)).toBe(0xa808144d);
    expect((await Promise.all(replies)).map((reply) => reply.errno)).toEqual(new Array(20).fill(0));
  });

  it('that asks for more at once than one turn lasts gets every answer', async () => {
    await start();
    const client = await connect(nic());
    const replies = Array.from({ length: 1000 }, () => client.reply());
    client.socket.write(Buffer.concat(replies.map((_, id) => message(9, regionBody(Region.config, 0, 4096), id))));
    expect((await Promise.all(replies)).map((reply) => reply.id)).toEqual(replies.map((_, id) => id));
  });

  it('that comes and goes leaves nothing', async () => {
    const { engine } = await start();
    for (let i = 0; i < 20; i++) (await connect(nic(), 'silent')).end();
    await until('nobody has it', () => engine.ledger().assigned === 0);
    expect(await (await connect(nic())).config(0, 4)).toBe(0x10d38086);
    expect(log.lines.filter((line) => line.level === 'error')).toEqual([]);
  });
});

it('an error of the device cuts it off from its client', async () => {
  const { engine } = await start();
  const client = await connect(disk());
  await client.config(0, 4);
  await engine.platform.errors?.inject?.(DISK, 'fatal');
  expect(engine.stub.devices.find((one) => one.bdf === DISK)?.assignment?.fenced).toBe('no ring');
  await expect(client.config(0, 4)).rejects.toThrow(/errno 5/);
});

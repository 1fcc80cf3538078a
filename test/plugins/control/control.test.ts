// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { formatBdf } from '../../../core/bdf.ts';
import { silent } from '../../../core/log.ts';
import { Command } from '../../../core/ring/layout.ts';
import type { IrqOperations } from '../../../plugins/commands/irq-operations.ts';
import {
  type ControlOperations,
  ControlServer,
  createClient,
  LONGEST_REQUEST,
  parseRequest,
} from '../../../plugins/control/index.ts';
import type { ControlClient } from '../../../plugins/kinds/command.ts';
import type { ExplainOperations } from '../../../plugins/observe/explain-operations.ts';
import type { QuirkOperations } from '../../../plugins/observe/quirk-operations.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/index.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

type Operations = ControlOperations & ExplainOperations & QuirkOperations & IrqOperations;

const clientAt = (socket: string | false) => createClient(socket) as ControlClient<Operations>;

let home: string;
let path: string;
let host: EmbeddedHost;
let guest: IncludedGuest;
let client: ControlClient<Operations>;
let nic: string;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-control-'));
  path = join(home, 'run/control.sock');
  host = await startEmbeddedHost({ config: { fields: 'kernel', control: path } });
  const found = (await host.platform.pci.list()).find((one) => one.device === 0x10d3);
  if (found === undefined) throw new Error('no sample');
  nic = formatBdf(found.bdf);
  guest = await host.guest([found.bdf], { name: 'work' });
  await guest.reached(4);
  client = clientAt(path);
});
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

const quirkFile = (name: string, offset: string, writable: string): string => {
  const file = join(home, 'nic.json');
  const fields = [{ offset, width: 16, name: 'a register', writable }];
  writeFileSync(file, JSON.stringify({ name, source: 'a test', match: [{ vendor: '8086', device: '10d3' }], fields }));
  return file;
};

const operations = () => host.parts.operations();

describe('the socket', () => {
  it('says each second that an answer is worked on, so that a slow reset is waited for', async () => {
    const slow = join(home, 'run/slow.sock');
    const answer = (): Promise<string> => new Promise((resolve) => setTimeout(resolve, 2500, 'reset at last'));
    const server = await ControlServer.start(
      slow,
      () => new Map([['slow', { about: 'a reset', asks: z.object({}), answer }]]),
      silent,
    );
    const said = await new Promise<string>((resolve) => {
      const socket = connect(slow, () => socket.write('{"id":1,"op":"slow"}\n'));
      let text = '';
      socket.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        if (text.endsWith('\n')) resolve(text);
      });
      socket.once('close', () => resolve(text));
    });
    await server.close();
    expect(said).toBe('  {"id":1,"ok":true,"result":"reset at last"}\n');
  });

  it('is for its own user alone, and gone with the server', async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, 'run')).mode & 0o777).toBe(0o700);
    await host.close();
    expect(existsSync(path)).toBe(false);
    expect(await client.ask('status', {})).toBeUndefined();
  });

  it('is not opened in a directory that others may write', async () => {
    const open = join(home, 'open');
    mkdirSync(open, { mode: 0o777 });
    chmodSync(open, 0o777);
    await expect(ControlServer.start(join(open, 'x.sock'), operations, silent)).rejects.toMatchObject({
      code: 'CONFIG_UNTRUSTED',
    });
  });

  it('is not taken from a pciback that lives, and taken over from one that died', async () => {
    await expect(ControlServer.start(path, operations, silent)).rejects.toMatchObject({
      code: 'CONTROL_SOCKET',
      facts: { path, why: 'another pciback listens there' },
    });
    const dead = join(home, 'run/dead.sock');
    // A socket nobody listens at: renamed away while its server lived.
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(join(home, 'run/live.sock'), resolve));
    renameSync(join(home, 'run/live.sock'), dead);
    await new Promise((resolve) => other.close(resolve));
    expect(existsSync(dead)).toBe(true);
    const second = await ControlServer.start(dead, operations, silent);
    expect(await clientAt(dead).ask('status', {})).toMatchObject({ platform: 'embedded' });
    await second.close();
  });
});

describe('what is at the path of a socket already', () => {
  const at = () => join(home, 'run/new.sock');
  const refused = async (why: string | RegExp): Promise<void> => {
    const facts = { path: at(), why: expect.stringMatching(why) };
    await expect(ControlServer.start(at(), operations, silent)).rejects.toMatchObject({
      code: 'CONTROL_SOCKET',
      facts,
    });
    expect(readdirSync(join(home, 'run')).filter((name) => name.startsWith('.'))).toEqual([]);
  };

  it.each([
    ['a file', (place: string) => writeFileSync(place, 'precious')],
    ['a folder', (place: string) => mkdirSync(place)],
    ['a symbolic link', (place: string) => symlinkSync(path, place)],
    ['a symbolic link', (place: string) => symlinkSync(join(home, 'nowhere'), place)],
    ['something that is no socket', (place: string) => execFileSync('mkfifo', [place])],
  ])('%s stays, and is named', async (kind, make) => {
    make(at());
    const before = lstatSync(at());
    await refused(`there is ${kind} at this path`);
    expect(lstatSync(at())).toMatchObject({ ino: before.ino, mode: before.mode });
  });

  it.runIf(process.geteuid?.() === 0)('the dead socket of another user stays', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(join(home, 'run/live.sock'), resolve));
    renameSync(join(home, 'run/live.sock'), at());
    await new Promise((resolve) => other.close(resolve));
    chownSync(at(), 1234, 0);
    await refused('the socket at this path belongs to user 1234');
    expect(lstatSync(at()).isSocket()).toBe(true);
  });

  it('a path that is too long is refused', async () => {
    const long = join(home, `run/${'x'.repeat(110)}.sock`);
    await expect(ControlServer.start(long, operations, silent)).rejects.toMatchObject({
      code: 'CONTROL_SOCKET',
      facts: { path: long, why: `a socket's path has at most 107 bytes, and this one ${long.length}` },
    });
  });

  it.runIf(process.geteuid?.() === 0)(
    'a folder above that others may change is refused, before anything is made',
    async () => {
      const open = join(home, 'open');
      mkdirSync(open);
      chmodSync(open, 0o777);
      const refusal = { code: 'CONFIG_UNTRUSTED', facts: { path: open } };
      await expect(ControlServer.start(join(open, 'a/b/x.sock'), operations, silent)).rejects.toMatchObject(refusal);
      expect(readdirSync(open)).toEqual([]);
      chmodSync(open, 0o755);
      mkdirSync(join(open, 'a/b'), { recursive: true, mode: 0o700 });
      chmodSync(open, 0o777);
      await expect(ControlServer.start(join(open, 'a/b/x.sock'), operations, silent)).rejects.toMatchObject(refusal);
    },
  );

  it('a server that ends removes its own socket, not the one that was made there since', async () => {
    const first = await ControlServer.start(at(), operations, silent);
    rmSync(at());
    const second = await ControlServer.start(at(), operations, silent);
    await first.close();
    expect(await clientAt(at()).ask('status', {})).toMatchObject({ platform: 'embedded' });
    await second.close();
    expect(existsSync(at())).toBe(false);
  });
});

/** Sends raw bytes and collects what comes until the server closes or `lines` lines are there. */
const raw = (text: string, lines: number): Promise<unknown[]> =>
  new Promise((resolve) => {
    const socket: Socket = connect(path);
    let out = '';
    const end = (): void => {
      socket.destroy();
      resolve(
        out
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line)),
      );
    };
    socket.setEncoding('utf8').on('data', (part: string) => {
      out += part;
      if (out.split('\n').length > lines) end();
    });
    socket.on('close', end).on('error', end);
    socket.write(text);
  });

describe('the protocol', () => {
  it('answers several requests in order, over one connection', async () => {
    const requests = [1, 2, 3].map((id) => JSON.stringify({ id, op: 'status' })).join('\n');
    expect((await raw(`${requests}\n`, 3)).map((one) => (one as { id: number }).id)).toEqual([1, 2, 3]);
  });

  it.each([
    ['{', 'one line of JSON'],
    ['[]', '"id"'],
    ['{"id":1,"op":"shutdown"}', 'there is no operation "shutdown". Known: '],
    ['{"id":1,"op":"statsu"}', 'there is no operation "statsu". Perhaps you meant "status". Known: '],
    ['{"id":1}', 'there is no operation "". Known: '],
    ['{"id":1,"op":"constructor"}', 'there is no operation "constructor". '],
    ['{"id":1,"op":"explain","args":{}}', '"bdf" of explain: expected string'],
    ['{"id":1,"op":"explain","args":{"bdf":"01:00.0","offset":-1}}', '"offset" of explain: '],
    ['{"id":1,"op":"explain","args":{"bdf":"01:00.0","size":1.5}}', '"size" of explain: expected int'],
    ['{"id":1,"op":"status","args":{"x":1}}', '"x" of status: there is no such key'],
    ['{"id":1,"op":"quirk-load","args":{"file":"/x","devices":[1]}}', '"devices[0]" of quirk-load: expected string'],
  ])('refuses %s', async (line, why) => {
    expect(parseRequest(line, operations())).toMatchObject({ wrong: expect.stringContaining(why) });
    const [answer] = await raw(`${line}\n`, 1);
    expect(answer).toMatchObject({ ok: false, error: { code: 'USAGE', message: expect.stringContaining(why) } });
    expect(await client.ask('status', {})).toBeDefined();
  });

  it('lets a client go that sends more than a request can be', async () => {
    const answers = await raw('x'.repeat(LONGEST_REQUEST * 4), 5);
    expect(answers).toMatchObject([{ ok: false, error: { message: 'the request is too long' } }]);
    expect(await client.ask('status', {})).toBeDefined();
  });

  it('serves others while some clients say nothing, up to a number', async () => {
    const idle = Array.from({ length: 7 }, () => connect(path));
    await Promise.all(idle.map((one) => new Promise((resolve) => one.once('connect', resolve))));
    expect(await client.ask('status', {})).toBeDefined();
    for (const one of idle) one.destroy();
  });

  it('does not wait for a client that reads nothing: guests are served', async () => {
    const socket = connect(path);
    socket.pause();
    socket.on('error', () => {});
    for (let id = 0; id < 500; id++) socket.write(`${JSON.stringify({ id, op: 'explain', args: { bdf: nic } })}\n`);
    const request = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: 0, size: 4 };
    for (let i = 0; i < 50; i++) expect((await guest.request(request)).value).toBe(0x10d38086);
    expect(await client.ask('status', {})).toBeDefined();
    socket.destroy();
  });
});

describe('the operations', () => {
  it('status names guests and devices', async () => {
    const status = await client.require('status', {});
    expect(status.guests).toMatchObject([{ name: 'work', state: 'Connected', devices: [nic] }]);
    expect(status.devices).toMatchObject([{ bdf: nic, vendor: '8086', guest: guest.domain, unhandled: 'drop' }]);
  });

  it('errors of an operation come over as they are', async () => {
    await expect(client.require('explain', { bdf: '7f:00.0' })).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZED' });
    await expect(client.require('explain', { bdf: 'zz' })).rejects.toMatchObject({ code: 'BDF_SYNTAX' });
    await expect(client.require('explain', { bdf: nic, offset: 4095, size: 2 })).rejects.toThrow(/not inside/);
    await expect(client.require('quirk-unload', { name: 'broadcom/tg4' })).rejects.toMatchObject({
      code: 'QUIRK_UNKNOWN',
      message: 'no quirk "broadcom/tg4" is loaded. Perhaps you meant "broadcom/tg3".',
    });
    await expect(client.require('quirk-load', { file: join(home, 'no.json') })).rejects.toMatchObject({
      code: 'PLUGIN_UNKNOWN',
    });
    await expect(clientAt(join(home, 'none')).require('status', {})).rejects.toMatchObject({
      code: 'CONTROL_UNREACHABLE',
      message: `no pciback answers at ${join(home, 'none')}: nobody listens there`,
      solve: expect.stringContaining('pciback serve'),
    });
    await expect(clientAt(join(home, 'x'.repeat(300))).require('status', {})).rejects.toMatchObject({
      code: 'CONTROL_UNREACHABLE',
    });
  });

  it('denials are those of the device, with what found no place', async () => {
    const report = await client.require('denials', { bdf: nic });
    expect(report.guest).toEqual({ domain: guest.domain, name: 'work' });
    expect(report.denials.map((one) => one.offset)).toContain(0x108);
    expect(report.total).toBeGreaterThan(0);
    expect(report.unrecorded).toBe(0);
    for (let bit = 0; bit < 32; bit++) {
      for (let at = 0xf0; at < 0x100; at += 4) {
        const value = 2 ** bit;
        await guest.request({ cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset: at, size: 4, value });
      }
      const value = 2 ** bit;
      for (let at = 0x200; at < 0x220; at += 4) {
        await guest.request({ cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset: at, size: 4, value });
      }
    }
    const full = await client.require('denials', { bdf: nic });
    expect(full.denials).toHaveLength(256);
    expect(full.unrecorded).toBeGreaterThan(0);
    expect(full.total).toBe(full.unrecorded + full.denials.reduce((sum, one) => sum + one.count, 0));
  });

  it('a quirk file is loaded, changed, listed and unloaded', async () => {
    const loaded = await client.require('quirk-load', { file: quirkFile('acme/nic', '0xe8', '0x7000') });
    expect(loaded).toMatchObject({ names: ['acme/nic'], devices: 1, failures: [] });
    const bits = async () =>
      (await client.require('explain', { bdf: nic, offset: 0xe8, size: 2 })).parts?.[0]?.bits.filter(
        (one) => one.kind === 'quirk',
      );
    expect(await bits()).toMatchObject([{ high: 14, low: 12, owner: expect.stringContaining('acme/nic') }]);
    await client.require('quirk-load', { file: quirkFile('acme/nic', '0xe8', '0x0fff') });
    expect(await bits()).toMatchObject([{ high: 11, low: 0 }]);
    const { quirks } = await client.require('quirk-list', {});
    expect(quirks.find((one) => one.name === 'acme/nic')).toMatchObject({ source: 'a test', devices: [nic] });
    expect(quirks.find((one) => one.name === 'broadcom/tg3')).toMatchObject({ devices: [] });
    expect(await client.require('quirk-unload', { name: 'acme/nic' })).toMatchObject({ devices: 1 });
    expect(await bits()).toEqual([]);
  });

  it('a TypeScript file that was changed is read again', async () => {
    const file = join(home, 'nic.ts');
    const source = (mask: string) =>
      `import { defineQuirk, ids, register } from 'pciback/quirk';
       export default defineQuirk({ name: 'acme/ts', source: 'a test', match: ids('8086', ['10d3']),
         fields: [register(0xe8, 16, 'x').writable(${mask})] });`;
    const mask = async () =>
      (await client.require('explain', { bdf: nic, offset: 0xe8, size: 2 })).parts?.[0]?.bits
        .filter((one) => one.kind === 'quirk')
        .map(({ high, low }) => [high, low]);
    writeFileSync(file, source('0x00f0'));
    await client.require('quirk-load', { file });
    expect(await mask()).toEqual([[7, 4]]);
    writeFileSync(file, source('0x0f00'));
    await client.require('quirk-load', { file });
    expect(await mask()).toEqual([[11, 8]]);
  });

  it('a file of a plugin is refused, and so is one that others may write', async () => {
    const file = join(home, 'plugin.mjs');
    writeFileSync(file, `export default { kind: 'plugin', name: 'x', version: '1.0.0', api: '^1.0', apply() {} };`);
    await expect(client.require('quirk-load', { file })).rejects.toThrow(/only quirks/);
    if (process.geteuid?.() !== 0) return;
    const open = quirkFile('acme/open', '0xe8', '0x7000');
    chmodSync(open, 0o666);
    await expect(client.require('quirk-load', { file: open })).rejects.toMatchObject({ code: 'CONFIG_UNTRUSTED' });
  });

  it('a text opens its register for its device, with its mask (D-C1), once (D-C2)', async () => {
    const text = `${nic}-e8:2:7000`;
    const { names, devices } = await client.require('quirk-text', { text });
    expect(devices).toBe(1);
    const write = { cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset: 0xe8, size: 2 };
    const read = { ...write, cmd: Command.confRead };
    const before = (await guest.request(read)).value;
    await guest.request({ ...write, value: before ^ 0x7001 });
    expect((await guest.request(read)).value).toBe(before ^ 0x7000);
    await expect(client.require('quirk-text', { text })).rejects.toMatchObject({ code: 'PLUGIN_DUPLICATE' });
    await expect(client.require('quirk-text', { text: `${nic}-e8:2:1000` })).rejects.toMatchObject({
      code: 'FIELD_OVERLAP',
    });
    await expect(client.require('quirk-text', { text: `${nic}-04:2:ffff` })).rejects.toThrow(/command/);
    await expect(client.require('quirk-text', { text: '7f:00.0-e8:2:1' })).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZED',
    });
    await client.require('quirk-unload', { name: names[0] ?? '' });
    expect((await client.require('explain', { bdf: nic, offset: 0xe8, size: 2 })).parts?.[0]?.bits).toHaveLength(1);
  });
});

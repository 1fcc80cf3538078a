// SPDX-License-Identifier: MIT

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runAttach, runDetach } from '../../../../plugins/commands/attach-run.ts';
import type { RcFile } from '../../../../plugins/program/config.ts';
import { type RunningPciback, startPciback } from '../../../../plugins/program/start.ts';
import { commandContext } from '../../../kit/command-context.ts';
import { VfioUserClient } from '../../../kit/vfio-user-client.ts';

const NVME = 0xa808144d;
const NIC = 0x10d38086;

describe('pciback attach and detach', () => {
  let home: string;
  let running: RunningPciback | undefined;
  const at = (name: string): string => join(home, name);

  const start = async (config: RcFile = {}): Promise<void> => {
    running = await startPciback({
      config: { platform: 'vfio-user', control: at('control.sock'), ...config },
      directory: home,
    });
  };
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'pciback-attach-'));
  });
  afterEach(async () => {
    await running?.stop();
    running = undefined;
    rmSync(home, { recursive: true });
  });

  const run = async (what: typeof runAttach, words: readonly string[], options: object = {}): Promise<string> => {
    const { context, printed } = commandContext({ control: at('control.sock'), ...options }, words);
    expect(await what(context)).toBe(0);
    return printed.join('\n');
  };
  const attach = (name: string, bdf: string, socket: string): Promise<string> =>
    run(runAttach, [name, bdf], { socket: at(socket) });
  const detach = (...words: readonly string[]): Promise<string> => run(runDetach, words);

  it('offers a device to a guest while pciback runs, whose name stands in its records', async () => {
    await start();
    expect(await attach('acme', '03:00.0', 'disk.sock')).toBe(`0000:03:00.0 offered to acme at ${at('disk.sock')}`);
    const client = await VfioUserClient.connect(at('disk.sock'));
    expect(await client.config(0, 4)).toBe(NVME);
    expect(running?.engine.stub.devices.find((one) => one.assignment !== undefined)?.assignment?.tenant.name).toBe(
      'acme',
    );
    client.end();
  });

  it('counts a path from where the command is called', async () => {
    await start();
    const text = await run(runAttach, ['acme', '03:00.0'], { socket: relative('.', at('disk.sock')), json: true });
    expect(JSON.parse(text)).toEqual({ name: 'acme', bdf: '0000:03:00.0', path: at('disk.sock') });
  });

  it('takes a device from its client, and gives it to another guest', async () => {
    await start();
    await attach('acme', '03:00.0', 'disk.sock');
    const first = await VfioUserClient.connect(at('disk.sock'));
    await first.config(0, 4);
    expect(await detach('acme', '03:00.0')).toBe('0000:03:00.0 taken from acme');
    await first.closed;
    expect(running?.engine.ledger().assigned).toBe(0);
    expect(existsSync(at('disk.sock'))).toBe(false);
    await attach('other', '03:00.0', 'disk.sock');
    const second = await VfioUserClient.connect(at('disk.sock'));
    expect(await second.config(0, 4)).toBe(NVME);
    second.end();
  });

  it('takes all devices of a guest, and no other’s', async () => {
    await start({ 'vfio-user': { sockets: { '01:00.0': 'nic.sock' } } });
    await attach('acme', '03:00.0', 'disk.sock');
    await attach('acme', '04:00.0', 'net.sock');
    const other = await VfioUserClient.connect(at('nic.sock'));
    expect(await detach('acme')).toBe('0000:03:00.0, 0000:04:00.0 taken from acme');
    expect(await other.config(0, 4)).toBe(NIC);
    other.end();
    expect(await detach('nic')).toBe('0000:01:00.0 taken from nic');
  });

  it.each([
    ['a device that is not there', () => attach('a', '09:00.0', 'x.sock'), { code: 'DEVICE_NOT_FOUND' }],
    ['no socket', () => run(runAttach, ['a', '03:00.0']), { message: /needs --socket/ }],
    ['a device that is attached', () => attach('b', '01:00.0', 'x.sock'), { message: /already, as nic at .*nic.sock/ }],
    ['a socket that is in use', () => attach('b', '03:00.0', 'nic.sock'), { message: /somebody answers there/ }],
    ['a guest that nobody knows', () => detach('nik'), { message: /"nik".*nic/ }],
    ['a device of another guest', () => detach('nic', '03:00.0'), { message: /no 0000:03:00.0 is attached as "nic"/ }],
  ])('refuses %s', async (_, refused, reason) => {
    await start({ 'vfio-user': { sockets: { '01:00.0': 'nic.sock' } } });
    const found = await refused().then(
      () => undefined,
      (error: Error) => error,
    );
    if ('code' in reason) expect(found).toMatchObject(reason);
    else expect(found?.message).toMatch(reason.message);
    const nic = await VfioUserClient.connect(at('nic.sock'));
    expect(await nic.config(0, 4)).toBe(NIC);
    nic.end();
  });

  it('offers a device once, when it is attached twice at the same time', async () => {
    await start();
    const operation = running?.parts.operations().get('attach');
    const asked = ['a', 'b'].map((name) => operation?.answer({ name, bdf: '03:00.0', socket: at(`${name}.sock`) }));
    const both = await Promise.allSettled(asked);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('says on another platform that there are no sockets', async () => {
    await start({ platform: 'embedded' });
    await expect(attach('a', '03:00.0', 'x.sock')).rejects.toThrow(/platform embedded has no sockets/);
  });
});

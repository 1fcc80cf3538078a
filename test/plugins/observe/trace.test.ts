// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command } from '../../../core/ring/layout.ts';
import { type IncludedGuest, sample } from '../../../plugins/platforms/embedded/index.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

const nic = sample('e1000e');
const bdf = formatBdf(nic.bdf);

let host: EmbeddedHost;
afterEach(() => host.close());

const start = async (level: 'debug' | 'info', more: object = {}): Promise<IncludedGuest> => {
  host = await startEmbeddedHost({ devices: [nic], config: { log: { level } }, ...more });
  const guest = await host.guest([nic.bdf], { driver: 'none' });
  await guest.reached(4);
  return guest;
};
const debugged = (message: string): Record<string, unknown>[] =>
  host.lines.filter((line) => line.level === 'debug' && line.message === message).map(({ facts }) => facts);
const read = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: 4, size: 2, value: 0 };
const space = () => host.pciback.stub.devices[0]?.assignment?.space;

describe('at level debug', () => {
  it('each config access of a guest is a line, with its answer and the register’s name (seed 4969a3a2cd)', async () => {
    const guest = await start('debug');
    const before = debugged('request').length;
    // The scan.
    expect(before).toBeGreaterThan(10);
    await guest.request(read);
    await guest.request({ ...read, cmd: Command.confWrite, offset: 0xf8, size: 4, value: 0x12 });
    await guest.request({ ...read, cmd: Command.confWrite, offset: 0x3c, size: 1, value: 0x0b });
    const guestNumber = guest.domain;
    expect(debugged('request').slice(before)).toMatchObject([
      {
        guest: guestNumber,
        bdf,
        request: 'conf_read',
        offset: '0x04',
        size: 2,
        register: 'header / command',
        answer: 'success',
      },
      {
        request: 'conf_write',
        offset: '0xf8',
        value: '0x00000012',
        register: 'no field',
        answer: 'success',
        refused: '0x00000012',
      },
      { request: 'conf_write', offset: '0x3c', size: 1, value: '0x0b' },
    ]);
  });

  it('a refused write has the address, the register and the bits, as everywhere else', async () => {
    const guest = await start('debug');
    await guest.request({ ...read, cmd: Command.confWrite, offset: 0xf8, size: 4, value: 0x12 });
    await expect
      .poll(() => debugged('write refused'))
      .toMatchObject([
        {
          guest: guest.domain,
          bdf,
          offset: '0xf8',
          size: 4,
          value: '0x00000012',
          refused: '0x00000012',
          owner: 'policy: drop',
          register: 'drop',
        },
      ]);
  });

  it('requests for interrupts are lines too', async () => {
    host = await startEmbeddedHost({ devices: [nic], config: { log: { level: 'debug' } } });
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    expect(debugged('request').filter(({ request }) => request === 'enable_msix')).toMatchObject([
      { guest: guest.domain, bdf, answer: 'success' },
    ]);
  });

  it('no guest fills the log: what is left out is counted', async () => {
    const guest = await start('debug');
    for (let i = 0; i < 2000; i++) await guest.request(read);
    expect(debugged('request').length).toBeLessThan(1000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await guest.request(read);
    expect(debugged('request').some(({ more }) => Number(more) > 0)).toBe(true);
  });

  it('a plugin that takes accesses down goes before it, also one that is loaded later', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pciback-trace-'));
    try {
      const guest = await start('debug');
      await host.parts.operations().get('plugin-load')?.answer({ name: 'observe/recorder', options: { directory } });
      const before = debugged('request').length;
      await guest.request(read);
      expect(debugged('request')).toHaveLength(before);
      await host.parts.operations().get('plugin-unload')?.answer({ name: 'observe/recorder' });
      await guest.request(read);
      expect(debugged('request')).toHaveLength(before + 1);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('is unloaded while its part runs, when a stop takes too long', async () => {
    await start('debug');
    host.plugins.unload('observe/trace');
    expect(host.plugins.hooks.point('unhandledWrite').entries).toEqual([]);
  });

  it('writes without a field are what the rc file says', async () => {
    await start('debug', { config: { log: { level: 'debug' }, permissive: [bdf] } });
    expect(host.pciback.stub.devices[0]?.assignment?.rules.unhandled).toBe('permissive');
  });
});

describe('at level info', () => {
  it('nothing takes accesses down: the lane answers as always', async () => {
    const guest = await start('info');
    await guest.request(read);
    expect(debugged('request')).toEqual([]);
    expect(host.pciback.stub.devices[0]?.assignment?.rules.recorder).toBeUndefined();
    expect(space()?.deviceView).not.toBeNull();
  });

  it('a plugin that asks for its own recorder still gets it', async () => {
    const seen: number[] = [];
    const own = definePlugin({
      name: 'acme/recorder',
      api: '^1.0',
      apply: ({ hooks }) => {
        hooks.unhandledWrite.tap(() => ({ recorder: { access: ({ offset }) => seen.push(offset) } }));
      },
    });
    const guest = await start('info', { plugins: [own] });
    await guest.request(read);
    expect(seen).toContain(4);
  });
});

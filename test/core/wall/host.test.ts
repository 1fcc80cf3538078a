// SPDX-License-Identifier: MIT

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { definePlugin, type Host } from '../../../core/plugin/index.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import { vpci } from '../../../plugins/slots/vpci.ts';
import { defineQuirk, register } from '../../../quirks/index.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { build, dist } from '../../plugins/commands/built.ts';

const nic = sample('e1000e').bdf;
const plugin = (apply: (host: Host) => void) => definePlugin({ name: 'test/faulty', api: '^1.0', apply });

let host: EmbeddedHost;
const start = async (options: EmbeddedHostOptions): Promise<void> => {
  host = await startEmbeddedHost({ devices: [sample('e1000e')], ...options });
};
const stateOf = (domain: number) => host.platform.xenstore.read(`/local/domain/0/backend/pci/${domain}/0/state`);
const until = async (test: () => Promise<boolean> | boolean): Promise<void> => {
  for (let turns = 0; !(await test()); turns++) {
    if (turns > 1000) throw new Error('never');
    await new Promise((done) => setTimeout(done, 2));
  }
};

describe('in a host', () => {
  afterEach(() => host.close());

  it.each(['add', 'remove', 'lookup', 'find', 'roots'])(
    'a map without %s refuses the guest, and says why',
    async (method) => {
      const faulty = plugin((facade) => {
        facade.slots.add('faulty', {
          create: (domain) => ({ ...methodsOf(vpci.create(domain)), [method]: undefined }) as never,
        });
      });
      await start({ plugins: [faulty], config: { slots: 'faulty' } });
      const guest = await host.guest([nic], { driver: 'none' });
      const { domain } = guest.report();
      await until(async () => (await stateOf(domain)) === '5');
      expect(await host.platform.xenstore.read(`/local/domain/0/error/backend/pci/${domain}/0/error`)).toMatch(
        /test\/faulty failed in create of slot mapper faulty .* has to answer a slot map with add, remove/,
      );
      expect(host.pciback.ledger().assigned).toBe(0);
    },
  );

  it('a mapper that forgets no device shows nobody the device of the next guest', async () => {
    const shared = new Map<number, ReturnType<typeof vpci.create>>();
    const faulty = plugin((facade) => {
      facade.slots.add('faulty', {
        create: (domain) => {
          const map = vpci.create(domain);
          shared.set(domain, map);
          return { ...methodsOf(map), remove: () => undefined } as never;
        },
      });
    });
    const devices = [sample('e1000e'), sample('rtl8139')];
    await start({ devices, plugins: [faulty], config: { slots: 'faulty' } });
    const one = await host.guest([nic, sample('rtl8139').bdf], { driver: 'none' });
    await one.reached(4);
    await host.platform.toolstack.detach(one.report().domain, nic);
    const two = await host.guest([nic], { driver: 'none' });
    await two.reached(4);
    const id = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: 0, size: 4 };
    expect(await two.request(id)).toMatchObject({ err: Status.success });
    // Its map still has it.
    expect(shared.get(one.report().domain)?.lookup(0, 0, 0)).toBeDefined();
    expect((await one.request(id)).err).toBe(Status.opFailed);
  });

  it('a behaviour that says "later" for ever: the request fails after the deadline, and the guest goes on', async () => {
    const later = defineQuirk({
      name: 'test/later',
      source: 'a test',
      match: [{ vendor: 0x8086, device: 0x10d3 }],
      fields: [register(0x60, 16, 'later').calls({ write: () => Outcome.later })],
    });
    await start({ plugins: [later], config: { deadlines: { later: 0.05 } } });
    const guest = await host.guest([nic], { driver: 'none' });
    await guest.reached(4);
    const at = { domain: 0, bus: 0, devfn: 0, offset: 0x60, size: 2 };
    expect((await guest.request({ ...at, cmd: Command.confWrite, value: 1 })).err).toBe(Status.opFailed);
    expect((await guest.request({ ...at, cmd: Command.confRead })).err).toBe(Status.success);
    expect(host.lines.find(({ message }) => message === 'a plugin failed')?.facts).toMatchObject({
      plugin: 'test/later',
      why: expect.stringMatching(/offset 0x60: it answered "later"/),
    });
  });

  it('a reset that never ends: the device is quarantined, and one stop ends everything', async () => {
    let hangs = false;
    const hanging = plugin((facade) => {
      facade.hooks.resetDevice.tap(() => (hangs ? new Promise(() => undefined) : undefined));
    });
    await start({ plugins: [hanging], config: { deadlines: { resetDevice: 0.05 }, shutdownSeconds: 0.05 } });
    const guest = await host.guest([nic], { driver: 'none' });
    await guest.reached(4);
    hangs = true;
    expect(await host.pciback.stop()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    expect(host.pciback.stub.devices[0]?.quarantine).toMatch(
      /test\/faulty failed in hook resetDevice .*: no answer within 0.05 s/,
    );
  });

  it('a function-level reset that a guest asks for and that fails is answered op_failed', async () => {
    let fails = false;
    const failing = plugin((facade) => {
      facade.hooks.resetDevice.tap(() => (fails ? (true as never) : undefined));
    });
    await start({ devices: [sample('igb')], plugins: [failing] });
    const guest = await host.guest([sample('igb').bdf], { driver: 'none' });
    await guest.reached(4);
    const read = async (offset: number, size: number): Promise<number> =>
      (await guest.request({ domain: 0, bus: 0, devfn: 0, cmd: Command.confRead, offset, size })).value;
    let express = await read(0x34, 1);
    while ((await read(express, 1)) !== 0x10) express = await read(express + 1, 1);
    const resetting = async (): Promise<number> => {
      const control = { domain: 0, bus: 0, devfn: 0, offset: express + 8, size: 2, cmd: Command.confWrite };
      return (await guest.request({ ...control, value: (await read(express + 8, 2)) | 0x8000 })).err;
    };
    expect(await resetting()).toBe(Status.success);
    expect(host.lines.some(({ message }) => message === 'device reset for its guest')).toBe(true);
    fails = true;
    expect(await resetting()).toBe(Status.opFailed);
    fails = false;
    expect(String(host.lines.find(({ message }) => message === 'a plugin failed')?.facts.why)).toMatch(
      /it answers true, and has to answer \{ ok: true, method \}/,
    );
  });
});

/** The methods of a map as own properties, so that one can be taken away. */
const methodsOf = (map: object): Record<string, unknown> =>
  Object.fromEntries(
    ['add', 'remove', 'lookup', 'find', 'roots'].map((name) => {
      const method = (map as Readonly<Record<string, (...args: unknown[]) => unknown>>)[name];
      return [name, method?.bind(map)];
    }),
  );

describe('the daemon', () => {
  beforeAll(build, 180_000);

  /** Runs `pciback serve` until `enough` was logged, then asks it to end. */
  const serve = async (code: string, enough: RegExp, preload = '') => {
    const home = mkdtempSync(join(tmpdir(), 'pciback-stray-'));
    writeFileSync(join(home, 'stray.mjs'), code);
    writeFileSync(join(home, 'preload.mjs'), preload);
    writeFileSync(
      join(home, 'pciback.config.json'),
      JSON.stringify({ plugins: ['./stray.mjs'], control: false, embedded: { devices: ['samples'] } }),
    );
    const words = ['serve', '--platform', 'embedded', '--config', join(home, 'pciback.config.json')];
    const child = spawn(
      process.execPath,
      ['--import', join(home, 'preload.mjs'), join(dist, 'plugins/commands/main.js'), ...words],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    const take = (chunk: Buffer): void => {
      output += String(chunk);
      // A second signal would end it at once.
      if (!child.killed && enough.test(output)) child.kill('SIGTERM');
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const [status] = await once(child, 'exit');
    rmSync(home, { recursive: true });
    return { status, output };
  };

  it('goes on after a throw and a rejection in timers of a plugin, and names it', { timeout: 30_000 }, async () => {
    const { status, output } = await serve(
      `export default { kind: 'plugin', name: 'lab/stray', version: '1.0.0', api: '^1.0', apply: () => {
        setTimeout(() => { throw new Error('the first'); }, 5);
        setTimeout(() => { Promise.reject('the second'); }, 10);
      } };`,
      /included guest is up/,
    );
    expect(output).toMatch(/lab\/stray failed in a timer or promise begun in apply: the first/);
    expect(output).toMatch(/lab\/stray failed in a timer or promise begun in apply: the second/);
    expect(output).toMatch(/stopped/);
    expect(status).toBe(0);
  });

  it('ends with 70 after an error of nobody’s', { timeout: 30_000 }, async () => {
    const { status, output } = await serve(
      "export default { kind: 'plugin', name: 'lab/quiet', version: '1.0.0', api: '^1.0', apply: () => {} };",
      /never said/,
      "setTimeout(() => { throw new Error('nobody is it'); }, 1500);",
    );
    expect(output).toMatch(/nobody is it/);
    expect(status).toBe(70);
  });
});

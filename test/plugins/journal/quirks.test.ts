// SPDX-License-Identifier: MIT

import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf } from '../../../core/bdf.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/guest.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { createRestartableHost, type RestartableHost } from '../../kit/restartable-host.ts';
import { until } from '../../kit/until.ts';

const nic = sample('e1000e').bdf;
const other = sample('tg3').bdf;
/** A register of both devices that no field has. */
const REGISTER = 0xf8;
const withRegister = (name: 'e1000e' | 'tg3') => {
  const image = sample(name);
  return { ...image, writable: [...(image.writable ?? []), { offset: REGISTER, size: 4, mask: 0xffffffff } as const] };
};
const quirkFor = (device: string, writable = 'ffffffff', name = 'acme/nic') => ({
  name,
  source: 'a test',
  match: [{ vendor: device === '10d3' ? '8086' : '14e4', device }],
  fields: [{ offset: REGISTER.toString(16), width: 32, name: 'a register', writable }],
});

let host: RestartableHost;
let guest: IncludedGuest;
let file: string;
beforeEach(async () => {
  host = createRestartableHost([sample('root-port'), withRegister('e1000e'), withRegister('tg3')]);
  await host.start();
  guest = await host.guest([nic], { driver: 'none' });
  await guest.reached(4);
  file = join(host.folder, 'quirk.json');
  writeFileSync(file, JSON.stringify(quirkFor('10d3')), { mode: 0o600 });
});
afterEach(() => host.close());

const ask = async (operation: string, args: Readonly<Record<string, unknown>>): Promise<unknown> =>
  host.running.parts.operations().get(operation)?.answer(args);
const load = (args: Readonly<Record<string, unknown>> = {}) => ask('quirk-load', { file, ...args });
const isLoaded = (name = 'acme/nic') => host.running.plugins.loaded.some((one) => one.name === name);
const noted = () => readFileSync(join(host.folder, 'journal'), 'utf8');
const stateOf = async ({ domain }: IncludedGuest) =>
  Number(await host.xen.xenstore.read(`/local/domain/0/backend/pci/${domain}/0/state`));
const said = (message: string) => host.lines.filter((line) => line.message === message);
const refusal = 'quirk of an earlier process not loaded';

/** The bits of the register that the guest can write. */
const opened = async (asked = guest): Promise<number> => {
  const shown: number[] = [];
  for (const value of [0, 0xffffffff]) {
    await asked.request({ cmd: Command.confWrite, offset: REGISTER, size: 4, value });
    const answer = await asked.request({ cmd: Command.confRead, offset: REGISTER, size: 4 });
    expect(answer.err).toBe(Status.success);
    shown.push(answer.value);
  }
  return ((shown[0] ?? 0) ^ (shown[1] ?? 0)) >>> 0;
};

describe('a quirk that was loaded while guests ran', () => {
  it('is in force for the first request after a kill, and after the next one', async () => {
    const before = await opened();
    await load();
    expect([before, await opened()]).toEqual([0, 0xffffffff]);
    for (let kill = 0; kill < 2; kill++) {
      host.kill();
      // Sent while nobody is there: the first that is answered goes by the quirk already.
      const asked = guest.request({ cmd: Command.confWrite, offset: REGISTER, size: 4, value: 0x1234 + kill });
      await host.start();
      await asked;
      const { value } = await guest.request({ cmd: Command.confRead, offset: REGISTER, size: 4 });
      expect(value).toBe(0x1234 + kill);
    }
    expect(await stateOf(guest)).toBe(4);
    expect(host.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });

  it('is noted by its file and for whom it is, not by what it says', async () => {
    await load({ devices: [formatBdf(nic)] });
    expect(noted()).toContain(`"name":"acme/nic","change":{"file":"${file}"`);
    expect(noted()).not.toContain('a register');
  });

  it('for one device only is for that one only afterwards', async () => {
    await load({ devices: [formatBdf((nic + 8) as Bdf)] });
    await host.restart();
    expect(isLoaded()).toBe(true);
    expect(await opened()).toBe(0);
  });

  it('given as text is in force after a kill', async () => {
    await ask('quirk-text', { text: `${formatBdf(nic)}-f8:4:ffff` });
    await host.restart();
    expect(await opened()).toBe(0xffff);
  });

  it('that was loaded again is the last one', async () => {
    await load();
    writeFileSync(file, JSON.stringify(quirkFor('10d3', 'ff')));
    await load();
    await host.restart();
    expect(await opened()).toBe(0xff);
  });

  it('and unloaded is not noted any more', async () => {
    await load();
    await ask('quirk-unload', { name: 'acme/nic' });
    await host.restart();
    expect(isLoaded()).toBe(false);
    expect(noted()).not.toContain('acme/nic');
  });

  it('and refused is not noted, and leaves the note of the one before', async () => {
    const pm = join(host.folder, 'pm.json');
    const overlap = { ...quirkFor('10d3'), fields: [{ offset: 'cc', width: 16, name: 'power', writable: 'ffff' }] };
    writeFileSync(pm, JSON.stringify({ ...overlap, name: 'acme/pm' }));
    await expect(ask('quirk-load', { file: pm })).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
    await load();
    writeFileSync(pm, JSON.stringify(overlap));
    await expect(ask('quirk-load', { file: pm })).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
    await host.restart();
    expect(isLoaded('acme/pm')).toBe(false);
    expect(await opened()).toBe(0xffffffff);
    expect(said(refusal)).toEqual([]);
  });

  it('and refused keeps no memory of the journal, for whichever of its devices it was compiled', async () => {
    const second = await host.guest([other], { driver: 'none' });
    await second.reached(4);
    const pages = () => host.running.parts.reports().find(({ name }) => name === 'journal')?.counters?.pages;
    const before = pages();
    // Compiled for both; in the second it lies over its power management.
    const match = [
      { vendor: '8086', device: '10d3' },
      { vendor: '14e4', device: '1659' },
    ];
    const power = { offset: '4c', width: 16, name: 'power', writable: 'ffff' };
    writeFileSync(file, JSON.stringify({ ...quirkFor('10d3'), match, fields: [power] }));
    for (let time = 0; time < 3; time++) await expect(load()).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
    expect(pages()).toBe(before);
  });

  it('is gone after an end in order with nothing left to continue', async () => {
    await load();
    await host.xen.toolstack.destroy(guest.domain);
    await host.running.stop();
    await host.start();
    expect(isLoaded()).toBe(false);
  });
});

describe('a quirk of the configuration', () => {
  it('that was unloaded stays so after a kill, until it is loaded again', async () => {
    const config = { quirks: [file] };
    await host.restart({ config });
    expect(await opened()).toBe(0xffffffff);
    await ask('quirk-unload', { name: 'acme/nic' });
    await host.restart({ config });
    expect(isLoaded()).toBe(false);
    expect(await opened()).toBe(0);
    await load();
    await host.restart({ config });
    expect(await opened()).toBe(0xffffffff);
  });

  it('that a reload brought back is loaded after a kill', async () => {
    await host.restart({ config: { quirks: [file] } });
    await ask('quirk-unload', { name: 'acme/nic' });
    const [quirk] = await host.running.plugins.read(file, 'a test');
    if (quirk === undefined) throw new Error('no quirk');
    await host.running.plugins.load(quirk, undefined, file);
    await host.restart({ config: { quirks: [file] } });
    expect(isLoaded()).toBe(true);
  });
});

describe('a quirk that cannot be had any more', () => {
  const spoil: Readonly<Record<string, () => void>> = {
    'its file is gone': () => rmSync(file),
    'its file is no quirk': () => writeFileSync(file, '{'),
    'its file has another one': () => writeFileSync(file, JSON.stringify(quirkFor('10d3', 'ff', 'acme/other'))),
    'others may write its file': () => chmodSync(file, 0o666),
  };
  // Only root has something to lose to others.
  const cases = Object.keys(spoil).filter((name) => process.geteuid?.() === 0 || !name.startsWith('others may'));

  it.each(cases)('%s: said, its guest is closed in order, others go on', async (name) => {
    const second = await host.guest([other], { driver: 'none' });
    await second.reached(4);
    await load();
    host.kill();
    spoil[name]?.();
    await host.start();
    expect(said(refusal).map(({ facts }) => [facts.name, facts.from])).toEqual([['acme/nic', file]]);
    await until('it closes', async () => [5, 6].includes(await stateOf(guest)));
    expect(String(said('guest failed')[0]?.facts.error)).toContain('quirk acme/nic');
    expect(host.running.engine.ledger()).toMatchObject({ assigned: 1, pirqs: 0 });
    expect(await stateOf(second)).toBe(4);
    expect(await opened(second)).toBe(0);
    // Guests that come from now on never had it.
    await host.xen.toolstack.destroy(guest.domain);
    const next = await host.guest([nic], { driver: 'none' });
    await next.reached(4);
    await host.restart();
    expect(await opened(next)).toBe(0);
    expect(said(refusal)).toHaveLength(1);
  });

  it('stays noted until its guests are closed', async () => {
    await load();
    host.kill();
    rmSync(file);
    let isNoted = false;
    host.called = (call, when) => {
      // The first state that is written: of the guest that is closed.
      if (call === 'xenstore.transaction' && when === 'before') isNoted ||= noted().includes('acme/nic');
    };
    await host.start();
    await until('it closes', async () => [5, 6].includes(await stateOf(guest)));
    host.called = () => undefined;
    expect(isNoted).toBe(true);
    expect(noted()).toContain('{"kind":"quirk","name":"acme/nic","change":null}');
  });

  it('and was not in force yet when the process died is no reason to close a guest', async () => {
    await load();
    // As the journal is between the note and the answer.
    const { journal } = host.running.engine.stub;
    const { quirks } = journal as unknown as { quirks: { merge(name: string, change: object): void } };
    quirks.merge('acme/nic', { begun: true });
    host.kill();
    rmSync(file);
    await host.start();
    expect(said(refusal)).toHaveLength(1);
    expect(await stateOf(guest)).toBe(4);
    expect(await opened()).toBe(0);
  });
});

describe('a kill while a quirk is loaded', () => {
  it('leaves the guest with it or without it, and asked for again it is in force', async () => {
    let kills = 0;
    for (let place = 0, isKilled = true; isKilled; place++) {
      isKilled = false;
      let count = 0;
      const killed = new Promise<void>((resolve) => {
        host.called = () => {
          if (count++ !== place) return;
          isKilled = true;
          kills++;
          resolve(host.killInside(guest));
        };
      });
      const loaded = load().catch(() => undefined);
      await Promise.race([killed, loaded]);
      await loaded;
      await (isKilled ? killed : undefined);
      host.called = () => undefined;
      if (isKilled) await host.start();
      expect(await opened()).toBe(isLoaded() ? 0xffffffff : 0);
      await load();
      expect(await opened()).toBe(0xffffffff);
      await ask('quirk-unload', { name: 'acme/nic' });
    }
    expect(kills).toBeGreaterThan(3);
    expect(await stateOf(guest)).toBe(4);
  });
});

describe('a plugin that was loaded while guests ran', () => {
  const plugin = (name: string): string => `
    export default { kind: 'plugin', name: '${name}', version: '1.0.0', api: '^1.0',
      apply: ({ hooks }) => { hooks.unhandledWrite.tap(() => 'permissive'); } };`;
  const unhandled = () => host.running.engine.stub.devices.map(({ assignment }) => assignment?.rules.unhandled);

  it('is in force in the next process too, and no longer when it was unloaded', async () => {
    file = join(host.folder, 'plugin.mjs');
    writeFileSync(file, plugin('acme/open'), { mode: 0o600 });
    await ask('plugin-load', { name: file });
    expect(unhandled()).toEqual(['permissive']);
    await host.restart();
    expect([isLoaded('acme/open'), ...unhandled()]).toEqual([true, 'permissive']);
    await ask('plugin-unload', { name: 'acme/open' });
    await host.restart();
    expect([isLoaded('acme/open'), ...unhandled()]).toEqual([false, 'drop']);
  });

  it('that is gone costs no guest its device, when it brought no registers', async () => {
    file = join(host.folder, 'plugin.mjs');
    writeFileSync(file, plugin('acme/open'), { mode: 0o600 });
    await ask('plugin-load', { name: file });
    host.kill();
    rmSync(file);
    await host.start();
    expect(said('plugin of an earlier process not loaded')).toHaveLength(1);
    expect(unhandled()).toEqual(['drop']);
    expect(await stateOf(guest)).toBe(4);
  });

  it('of the configuration that was unloaded stays out of the next process', async () => {
    await ask('plugin-unload', { name: 'interrupts/msi-only' });
    await host.restart();
    expect(isLoaded('interrupts/msi-only')).toBe(false);
  });
});

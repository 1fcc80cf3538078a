// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { createEmbeddedPlatform, type EmbeddedPlatform, sample } from '../../../plugins/platforms/embedded/index.ts';
import type { RcFile } from '../../../plugins/program/config.ts';
import { loadConfig } from '../../../plugins/program/rc-file.ts';
import { Reloader } from '../../../plugins/program/reload.ts';
import { type RunningPciback, startLoaded } from '../../../plugins/program/start.ts';

const nic = sample('e1000e');

let home: string;
let platform: EmbeddedPlatform;
let running: RunningPciback | undefined;
const levels: string[] = [];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-reload-'));
  levels.length = 0;
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  rmSync(home, { recursive: true });
});

const write = (config: RcFile): void =>
  writeFileSync(join(home, 'pciback.config.json'), JSON.stringify({ control: false, ...config }));

const quirk = (name: string, offset: string, writable = '0x00ff'): void => {
  const fields = [{ offset, width: 16, name: 'a register', writable }];
  const text = { name, source: 'a test', match: [{ vendor: '8086', device: '10d3' }], fields };
  writeFileSync(join(home, `${name.replace('/', '-')}.json`), JSON.stringify(text));
};

const begin = async (config: RcFile, files?: Readonly<Record<string, string>>): Promise<Reloader> => {
  if (files === undefined) write(config);
  for (const [name, text] of Object.entries(files ?? {})) writeFileSync(join(home, name), text);
  const read = () => loadConfig({ cwd: home });
  const loaded = await read();
  platform = createEmbeddedPlatform({ devices: [nic] });
  running = await startLoaded(loaded, { log: silent, platform });
  const { plugins, config: inForce } = running;
  return new Reloader({ plugins, inForce, loaded, read, setLevel: (level) => void levels.push(level) });
};

const names = (): string[] =>
  running?.plugins.loaded.flatMap(({ kind, name }) => (kind === 'quirk' ? [name] : [])) ?? [];
const own = (): string[] => names().filter((name) => name.startsWith('acme/'));
const shown = (name: string): unknown =>
  running?.plugins.registries.quirks.entries.find((one) => one.name === name)?.thing.sets[0]?.registers[0]?.name;

describe('a reload', () => {
  it('that finds the same changes nothing', async () => {
    const reloader = await begin({});
    expect(await reloader.reload()).toEqual({ keys: [], file: join(home, 'pciback.config.json') });
  });

  it('puts what is read at each use in force', async () => {
    const reloader = await begin({ log: { level: 'info' } });
    const guests = { work: { interrupts: 'intx-only', devices: { '01:00.0': { permissive: true } } } };
    write({ log: { level: 'debug' }, permissive: ['01:00.0'], guests, slots: 'passthrough', shutdownSeconds: 1 });
    const { keys } = await reloader.reload();
    expect([...keys].sort()).toEqual(['guests', 'log', 'permissive', 'shutdownSeconds', 'slots']);
    expect(levels).toEqual(['debug']);
    expect(running?.config).toMatchObject({ slots: 'passthrough', shutdownSeconds: 1, log: { level: 'debug' } });
    // For the next device that the guest gets.
    const { engine } = running as RunningPciback;
    const device = await engine.stub.seize(nic.bdf);
    const domain = await platform.toolstack.create({ devices: [nic.bdf], name: 'work' });
    await (await platform.startGuest({ domain })).reached(4);
    expect(device.assignment?.rules).toMatchObject({ unhandled: 'permissive', policy: { name: 'intx-only' } });
  });

  it.each(['pciback.config.mjs', 'pciback.config.ts'])('reads %s again, which is code', async (name) => {
    const file = join(home, name);
    const reloader = await begin({}, { [name]: 'export default { control: false };' });
    writeFileSync(file, "export default { control: false, slots: 'passthrough' };");
    expect(await reloader.reload()).toEqual({ keys: ['slots'], file });
    writeFileSync(file, 'export default { control: false };');
    expect((await reloader.reload()).keys).toEqual(['slots']);
  });

  it.each([
    [{ hide: ['01:00.0'] }, ['hide']],
    [{ fields: 'kernel', slots: 'passthrough' }, ['fields']],
    [{ plugins: ['fields/hide'] }, ['plugins']],
    [{ deadlines: { stop: 5 } }, ['deadlines']],
    [{ control: 'x.sock', embedded: { devices: [] } }, ['control', 'embedded']],
  ] as const)('with %j is refused as a whole, naming %j', async (config, keys) => {
    const reloader = await begin({});
    write(config as RcFile);
    await expect(reloader.reload()).rejects.toMatchObject({ code: 'RELOAD_REFUSED', facts: { keys } });
    expect(running?.config).toMatchObject({ slots: 'vpci', hide: [] });
    write({});
    expect((await reloader.reload()).keys).toEqual([]);
  });

  it.each([
    [{ slots: 'vpc' }, 'CHOICE_UNKNOWN'],
    [{ guests: { a: { interrupts: 'none' } } }, 'CHOICE_UNKNOWN'],
    [{ log: { level: 'loud' } }, 'CONFIG_INVALID'],
    [{ quirks: ['gone.json'] }, 'PLUGIN_UNKNOWN'],
  ])('with %j is refused', async (config, code) => {
    const reloader = await begin({});
    write(config as RcFile);
    await expect(reloader.reload()).rejects.toMatchObject({ code });
    expect(running?.config).toMatchObject({ slots: 'vpci', guests: {}, quirks: [] });
    expect(levels).toEqual([]);
  });
});

describe('a reload of quirk files', () => {
  it('takes those of folders too: put there, changed, removed; a plugin needs a start', async () => {
    mkdirSync(join(home, 'own.d'));
    const drop = (name: string, offset: string): void => {
      quirk(name, offset);
      renameSync(join(home, `${name.replace('/', '-')}.json`), join(home, `own.d/${name.replace('/', '-')}.json`));
    };
    drop('acme/one', '0x60');
    const reloader = await begin({ folders: ['own.d'] });
    expect(own()).toEqual(['acme/one']);
    expect((await reloader.reload()).keys).toEqual([]);
    drop('acme/one', '0x64');
    drop('acme/two', '0x68');
    expect((await reloader.reload()).keys).toEqual(['quirks']);
    expect([...own()].sort()).toEqual(['acme/one', 'acme/two']);
    rmSync(join(home, 'own.d/acme-one.json'));
    await reloader.reload();
    expect(own()).toEqual(['acme/two']);
    writeFileSync(
      join(home, 'own.d/a.mjs'),
      `export default { kind: 'plugin', name: 'lab/a', api: '^1.0', apply() {} };`,
    );
    await expect(reloader.reload()).rejects.toMatchObject({ code: 'RELOAD_REFUSED' });
    expect(own()).toEqual(['acme/two']);
  });

  it('loads new ones, reads changed ones again, unloads those that are gone', async () => {
    quirk('acme/one', '0x60');
    quirk('acme/two', '0x62');
    const reloader = await begin({ quirks: ['acme-one.json', 'acme-two.json'] });
    expect(own()).toEqual(['acme/one', 'acme/two']);
    quirk('acme/two', '0x64', '0x0fff');
    quirk('acme/three', '0x68');
    write({ quirks: ['acme-two.json', 'acme-three.json'] });
    expect((await reloader.reload()).keys).toEqual(['quirks']);
    expect(own().sort()).toEqual(['acme/three', 'acme/two']);
    const two = running?.plugins.registries.quirks.entries.find(({ name }) => name === 'acme/two');
    expect(JSON.stringify(two?.thing.sets)).toContain('100');
    expect((await reloader.reload()).keys).toEqual([]);
    quirk('acme/two', '0x66');
    expect((await reloader.reload()).keys).toEqual(['quirks']);
  });

  it('changes nothing when one of them is refused', async () => {
    quirk('acme/one', '0x60');
    quirk('acme/two', '0x62');
    const reloader = await begin({ quirks: ['acme-one.json', 'acme-two.json'] });
    const before = shown('acme/two');
    quirk('acme/two', '0x64');
    // Claims what the header has.
    quirk('acme/wrong', '0x04');
    write({ quirks: ['acme-two.json', 'acme-wrong.json'], slots: 'passthrough' });
    await expect(reloader.reload()).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
    expect(own().sort()).toEqual(['acme/one', 'acme/two']);
    expect(shown('acme/two')).toBe(before);
    expect(running?.config.slots).toBe('vpci');
  });
});

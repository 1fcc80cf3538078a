// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { capability, definePlugin, type Plugin, register } from '../../../core/plugin/index.ts';
import { Command } from '../../../core/ring/layout.ts';
import { runPlugins } from '../../../plugins/commands/plugins-run.ts';
import { configure } from '../../../plugins/commands/setup.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import type { ConfigInput } from '../../../plugins/program/schema.ts';
import { loadPlugins } from '../../../plugins/program/start.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-plugins-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const rc = (text: string): string => {
  const file = join(home, 'pciback.config.yaml');
  writeFileSync(file, text);
  return file;
};

const run = async (options: Readonly<Record<string, string | boolean>>): Promise<string[]> => {
  const { context, printed, close } = commandContext({ control: join(home, 'control.sock'), ...options });
  expect(await runPlugins(context)).toBe(0);
  await close();
  return printed;
};

describe('pciback plugins, without a running pciback', () => {
  it('shows what the rc file would load, on 80 columns', async () => {
    const lines = await run({ config: rc('fields: kernel\n') });
    expect(lines[0]).toMatch(/^rc file \/.*pciback\.config\.yaml: \d+ plugins and quirks$/);
    expect(lines.slice(1).filter((line) => line.length > 80)).toEqual([]);
    const at = lines.findIndex((line) => line.startsWith('slots/vpci '));
    expect(lines[at]).toMatch(/^slots\/vpci +\d+\.\d +0 +slots$/);
    expect(lines.find((line) => line.startsWith('control '))).toMatch(/commands: status, devices,/);
    expect(lines.filter((line) => line.startsWith('fields/pcie '))).toEqual([]);
    expect(lines.join('\n')).toMatch(/^\d+ bundled quirks: amd\/gpu [\s\S]*\bintel\/hda\b/m);
    expect(lines.slice(lines.indexOf('taps, in the order of the calls:') + 1)).toEqual([
      '  deviceSeized: journal seizing',
      '  deviceAssigned: switches',
      '  deniedWrite: observe/trace',
      '  deviceFenced: platforms/vfio-user',
      '  guestDisconnected: observe/trace ledger',
      '  resetDevice: metrics resets',
      '  deviceReturned: ledger switches',
      '  deviceReleased: seizing switches',
      '',
      'places, of two with one name that of the first counts:',
      expect.stringMatching(/^ {2}\S*pciback\.config\.yaml$/),
      expect.stringMatching(/^ {2}\/etc\/pciback\/plugins\.d: (not there|\d+ files?)$/),
      expect.stringMatching(/^ {2}\/usr\/share\/pciback\/quirks\.d: (not there|\d+ files?)$/),
      '  bundled',
    ]);
  });

  it('shows where a file was enough, and what was passed over for it', async () => {
    mkdirSync(join(home, 'own.d'));
    const fields = [{ offset: '0xe8', width: 8, name: 'control', writable: '0x01' }];
    const quirk = { name: 'intel/hda', source: 'a test', match: [{ vendor: '1234' }], fields };
    writeFileSync(join(home, 'own.d/hda.json'), JSON.stringify(quirk));
    const lines = await run({ config: rc('folders: [own.d, none.d]\n') });
    expect(lines.slice(lines.indexOf('places, of two with one name that of the first counts:') + 1)).toEqual([
      expect.stringMatching(/pciback\.config\.yaml$/),
      expect.stringMatching(/own\.d: 1 file$/),
      expect.stringMatching(/none\.d: not there$/),
      '  bundled',
      '',
      'passed over:',
      '  intel/hda from bundled:',
      expect.stringMatching(/^ {4}the one from \S*own\.d\/hda\.json counts$/),
    ]);
    expect(lines.find((line) => line.startsWith('intel/hda '))).toMatch(/quirks$/);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });

  it('as JSON: name, kind, origin, version, things, taps, cost and faults of each', async () => {
    const { source, plugins, hooks } = JSON.parse((await run({ config: rc(''), json: true })).join('\n'));
    expect(source).toBe('rc file');
    expect(plugins.find((one: { name: string }) => one.name === 'slots/vpci')).toEqual({
      name: 'slots/vpci',
      kind: 'plugin',
      origin: 'bundled',
      version: '0.0.0',
      brings: { slots: ['vpci'] },
      taps: [],
      ms: expect.any(Number),
      faults: 0,
    });
    expect(hooks).toEqual({
      deviceSeized: ['journal', 'seizing'],
      deviceAssigned: ['switches'],
      deniedWrite: ['observe/trace'],
      deviceFenced: ['platforms/vfio-user'],
      guestDisconnected: ['observe/trace', 'ledger'],
      resetDevice: ['metrics', 'resets'],
      deviceReturned: ['ledger', 'switches'],
      deviceReleased: ['seizing', 'switches'],
    });
  });
});

describe('pciback plugins, of a running pciback', () => {
  let host: EmbeddedHost | undefined;
  afterEach(async () => {
    await host?.close();
  });

  it('shows taps in the order of the calls, and faults so far', async () => {
    const told: string[] = [];
    const tapping = (name: string, before?: string) =>
      definePlugin({
        name,
        version: '1.2.3',
        api: '^1.0',
        apply: (facade) => {
          facade.hooks.deviceSeized.tap({ ...(before === undefined ? {} : { before }) }, () => {
            told.push(name);
            if (name === 'lab/first') throw new Error('not today');
          });
        },
      });
    host = await startEmbeddedHost({
      config: { control: join(home, 'control.sock') },
      plugins: [tapping('lab/second'), tapping('lab/first', 'lab/second')],
    });
    const [device] = await host.platform.pci.list();
    if (device === undefined) throw new Error('no sample');
    await expect(host.pciback.stub.seize(device.bdf)).rejects.toMatchObject({ code: 'PLUGIN_FAULT' });
    expect(told).toEqual(['lab/first']);
    const lines = await run({ config: rc('') });
    expect(lines[0]).toMatch(/^the running pciback: /);
    expect(lines).toContain('  deviceSeized: journal seizing lab/first lab/second');
    expect(lines.find((line) => line.startsWith('lab/first '))).toMatch(/^lab\/first +\d+\.\d +1 +taps deviceSeized$/);
    expect(lines[lines.findIndex((line) => line.startsWith('lab/first ')) + 1]).toBe('    1.2.3 from given');
  });
});

describe('without', () => {
  const load = async (text: string) => {
    const plugins = await loadPlugins(await configure({ config: rc(text) }), silent);
    return { names: plugins.loaded.map(({ name }) => name) };
  };

  it('leaves bundled plugins and quirks out', async () => {
    const { names } = await load('without: [fields/power, intel/hda]\n');
    expect(names).toContain('fields/vpd');
    expect(names).not.toContain('fields/power');
    expect(names).not.toContain('intel/hda');
  });

  it.each([
    ['without: [fields/powr]\n', { key: 'without[0]', nearest: 'fields/power' }],
    ['plugins: [fields/hide]\nwithout: [fields/power, fields/hide]\n', { key: 'without[1]', nearest: undefined }],
    ['deadlines: { restDevice: 3 }\n', { key: 'deadlines.restDevice', nearest: 'resetDevice' }],
    ['deadlines: { resetDevice: 0 }\n', { key: 'deadlines.resetDevice' }],
  ])('refuses %j', async (text, facts) => {
    await expect(load(text)).rejects.toMatchObject({ code: 'CONFIG_INVALID', facts });
  });

  it('a vendor’s own power-management set takes the place of the bundled one', async () => {
    const PMCSR = 0xcc;
    const PME_ENABLE = 0x0100;
    const acme = definePlugin({
      name: 'acme/power',
      api: '^1.0',
      apply: (facade) => {
        facade.fields.add(capability(0x01, 'power', [register(0x04, 16, 'control/status').writable(PME_ENABLE)]));
      },
    });
    const nic = sample('e1000e').bdf;
    const pme = async (config: ConfigInput, plugins: readonly Plugin[]): Promise<number> => {
      const host = await startEmbeddedHost({ devices: [sample('e1000e')], config, plugins });
      const guest = await host.guest([nic], { driver: 'none' });
      await guest.reached(4);
      const at = { domain: 0, bus: 0, devfn: 0, offset: PMCSR, size: 2 };
      await guest.request({ ...at, cmd: Command.confWrite, value: PME_ENABLE });
      const { value } = await guest.request({ ...at, cmd: Command.confRead });
      await host.close();
      return value & PME_ENABLE;
    };
    expect(await pme({}, [])).toBe(0);
    expect(await pme({ without: ['fields/power'] }, [acme])).toBe(PME_ENABLE);
    await expect(pme({}, [acme])).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
  });
});

describe('pciback plugins load and unload', () => {
  let host: EmbeddedHost;
  const nic = sample('e1000e');
  const control = (): string => join(home, 'control.sock');
  const start = async (config: object = {}): Promise<void> => {
    host = await startEmbeddedHost({ devices: [nic], config: { control: control(), ...config } });
  };
  afterEach(() => host.close());

  const change = async (
    words: readonly string[],
    options: Readonly<Record<string, string | boolean>> = {},
  ): Promise<string[]> => {
    const { context, printed } = commandContext({ control: control(), ...options }, words);
    expect(await runPlugins(context)).toBe(0);
    return printed;
  };
  const isLoaded = (name: string): boolean => host.plugins.loaded.some((one) => one.name === name);
  const write = (name: string, text: string): string => {
    const file = join(home, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  /** A plugin that answers for all writes without a field. */
  const policy = (answer: string): string => `
    export default { kind: 'plugin', name: 'acme/policy', version: '2.1.0', api: '^1.0',
      apply: ({ hooks }) => { hooks.unhandledWrite.tap(() => '${answer}'); } };`;
  const unhandled = (): unknown => host.pciback.stub.devices[0]?.assignment?.rules.unhandled;

  it('puts a file in force under a running guest, again when it has changed, and takes it out', async () => {
    await start();
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    const file = write('policy.mjs', policy('permissive'));
    expect((await change(['load', file]))[0]).toMatch(/^acme\/policy loaded: in force for 1 assigned devices, \d/);
    expect(unhandled()).toBe('permissive');
    write('policy.mjs', policy('drop'));
    await change(['load', file]);
    expect(unhandled()).toBe('drop');
    expect((await change(['unload', 'acme/policy']))[0]).toMatch(/^acme\/policy unloaded/);
    expect(isLoaded('acme/policy')).toBe(false);
  });

  it('takes a bundled plugin by its name, with options', async () => {
    await start();
    const options = JSON.stringify({ directory: home });
    await change(['load', 'observe/recorder'], { options });
    expect(isLoaded('observe/recorder')).toBe(true);
    await change(['unload', 'observe/recorder']);
    expect(isLoaded('observe/recorder')).toBe(false);
  });

  it.each([
    ['control', /its part control runs/],
    ['platforms/embedded', /pciback runs on its platform embedded/],
    ['policies/watch', /the rc file says watch: /],
    ['slots/vpci', /the rc file chooses its slot mapper vpci/],
    ['interrupts/guest-controlled', /the rc file chooses its interrupt policy guest-controlled/],
    ['interrupts/device', /guest \d+ has 0000:\S+, whose interrupts it carries out/],
    ['fields/header', /guest \d+ has 0000:\S+, whose registers it guards/],
  ])('keeps %s, and says what needs it', async (name, reason) => {
    await start({ interrupts: 'guest-controlled' });
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    await expect(change(['unload', name])).rejects.toMatchObject({
      code: 'PLUGIN_NEEDED',
      message: expect.stringMatching(reason),
    });
    expect(isLoaded(name)).toBe(true);
  });

  it('looks for what a plugin needs, and keeps that while it is needed', async () => {
    await start();
    const needing = (name: string, needs: object): string =>
      `{ kind: 'plugin', name: '${name}', version: '1.0.0', api: '^1.0', apply() {}, needs: ${JSON.stringify(needs)} }`;
    const top = write('top.mjs', `export default ${needing('acme/top', { 'acme/base': '^1.0' })};`);
    await expect(change(['load', top])).rejects.toMatchObject({ code: 'PLUGIN_NEEDS' });
    expect(isLoaded('acme/top')).toBe(false);
    // Of several in one file one may need another, wherever it stands.
    const both = `export default [${needing('acme/top', { 'acme/base': '^1.0' })}, ${needing('acme/base', {})}];`;
    const [line] = await change(['load', write('both.mjs', both)]);
    expect(line).toMatch(/^acme\/base, acme\/top loaded/);
    await expect(change(['unload', 'acme/base'])).rejects.toMatchObject({
      code: 'PLUGIN_NEEDED',
      message: expect.stringContaining('plugin acme/top needs it'),
    });
    expect(isLoaded('acme/base')).toBe(true);
    await change(['unload', 'acme/top']);
    await change(['unload', 'acme/base']);
    expect(isLoaded('acme/base')).toBe(false);
  });

  it('refuses what only a start puts in force, and leaves nothing of it', async () => {
    await start();
    const part = `export default { kind: 'plugin', name: 'acme/part', version: '1.0.0', api: '^1.0',
      apply: (host) => { host.parts.add('acme', { about: 'a part' }); } };`;
    await expect(change(['load', write('part.mjs', part)])).rejects.toMatchObject({
      code: 'PLUGIN_AT_START',
      message: expect.stringContaining('part acme'),
    });
    expect(isLoaded('acme/part')).toBe(false);
    expect(host.plugins.registries.parts.names).not.toContain('acme');
  });

  it.each([
    [['lod'], {}, /"lod".*Perhaps you meant "load"/],
    [['load'], {}, /needs the name/],
    [['load', 'observe/recorder'], { options: '[1]' }, /no JSON object/],
    [['load', 'observe/recorder'], { options: '{' }, /no JSON:/],
    [['load', 'observe/recorder'], { options: '{"directry": "x"}' }, /directry/],
    [['load', 'observe/recordr'], {}, /Perhaps you meant "observe\/recorder"/],
    [['load', './gone.mjs'], {}, /there is no plugin/],
    [['load', 'slots/vpci'], {}, /loaded twice/],
    [['unload', 'slots/vpc'], {}, /Perhaps you meant "slots\/vpci"/],
  ])('%s %o: %s', async (words, options, reason) => {
    await start();
    await expect(change(words, options as Record<string, string>)).rejects.toThrow(reason);
  });
});

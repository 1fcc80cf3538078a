// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../core/bdf.ts';
import type { FunctionFacts } from '../../../plugins/device-pattern.ts';
import { defaultConfig } from '../../../plugins/program/defaults.ts';
import { doors } from '../../../plugins/program/doors.ts';
import { loadConfig } from '../../../plugins/program/rc-file.ts';
import { thisProcess } from '../../../plugins/trust.ts';

let directory = '';
let system = '';
const write = (path: string, text: string) => {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pciback-config-'));
  system = join(directory, 'etc');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A temporary directory may belong to anybody. */
const anybody = { ...thisProcess(), uid: 1000 };
const load = (file?: string) =>
  loadConfig({
    cwd: join(directory, 'here'),
    systemDirectory: system,
    onlooker: anybody,
    doors,
    ...(file === undefined ? {} : { file }),
  });

describe('finding the rc file', () => {
  it('none: the defaults, and paths count from the working directory', async () => {
    expect(await load()).toEqual({ config: defaultConfig(), directory: join(directory, 'here') });
  });

  it.each([
    [
      'pciback.config.ts',
      `import { defineConfig } from 'pciback/config'; export default defineConfig({ slots: 'x' as string });`,
    ],
    ['pciback.config.js', `export default { slots: 'x' };`],
    [
      'pciback.config.mjs',
      `import { defineConfig } from 'pciback/config'; export default defineConfig({ slots: 'x' });`,
    ],
    ['pciback.config.json', `{ "slots": "x" }`],
    ['pciback.config.yaml', `slots: x`],
    ['pciback.config.yml', `slots: x`],
    ['.pcibackrc', `slots: x`],
    ['package.json', `{ "name": "a", "type": "module", "pciback": { "slots": "x" } }`],
  ])('%s', async (name, text) => {
    if (name !== 'package.json') write('here/package.json', '{ "type": "module" }');
    const file = write(`here/${name}`, text);
    const here = join(directory, 'here');
    expect(await load()).toEqual({
      config: { ...defaultConfig(), slots: 'x', sections: { file, directory: here, values: {} } },
      said: { slots: 'x' },
      file,
      directory: here,
    });
    expect(readdirSync(join(directory, 'here')).sort()).toEqual([...new Set([name, 'package.json'])].sort());
  });

  it('in /etc/pciback when the working directory has none, never in a parent', async () => {
    write('pciback.config.json', '{ "slots": "parent" }');
    write('here/package.json', '{ "name": "somebody-else" }');
    expect((await load()).config.slots).toBe('vpci');
    const file = write('etc/pciback.config.json', '{ "slots": "system" }');
    expect(await load()).toMatchObject({ config: { slots: 'system' }, file, directory: system });
    write('here/pciback.config.json', '{ "slots": "own" }');
    expect((await load()).config.slots).toBe('own');
  });

  it('by name, counted from the working directory', async () => {
    const file = write('lab/my.yaml', 'slots: x');
    expect(await load('../lab/my.yaml')).toMatchObject({
      config: { slots: 'x' },
      file,
      directory: join(directory, 'lab'),
    });
    write('lab/empty.yaml', '');
    expect((await load('../lab/empty.yaml')).config).toMatchObject(defaultConfig());
    await expect(load('../lab/none.yaml')).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: expect.stringContaining(join(directory, 'lab/none.yaml')),
    });
  });

  it('runs no settings of the search itself that lie in the working directory', async () => {
    write('here/.config/config.js', 'throw new Error("this must never run");');
    write('here/pciback.config.json', '{ "slots": "x" }');
    const before = process.cwd();
    process.chdir(join(directory, 'here'));
    try {
      expect((await load()).config.slots).toBe('x');
      expect(process.cwd()).toBe(join(directory, 'here'));
    } finally {
      process.chdir(before);
    }
  });
});

describe('refusing the rc file', () => {
  it.each([
    ['pciback.config.json', '{ "slots": ', /^line 1 column 12: expected a value, found the end$/],
    ['pciback.config.json', '{\n  "platform": "embedded"\n', /^line 3 column 1: expected "," or "}", found the end$/],
    ['pciback.config.json', '{\n"a": x}', /^line 2 column 6: expected a value, found "x"$/],
    ['package.json', '{ "pciback": {', /^line 1 column 15: expected a key in double quotes, found the end$/],
    ['pciback.config.yaml', 'slots: [x', /^unexpected end of the stream within a flow collection \(2:1\)$/],
    ['.pcibackrc', 'a: b: c', /^bad indentation of a mapping entry \(1:5\)$/],
    ['pciback.config.mjs', 'export default {', /./],
    ['pciback.config.mjs', 'import "./none.mjs";', /^Cannot find module '.*none\.mjs' imported from /],
    ['pciback.config.mjs', 'throw new Error("");', /^it gives no reason \(\/.*config\.mjs:1\)$/],
    ['pciback.config.mjs', 'throw new Error("\\n  \\nthe third line");', /^the third line \(\/.*config\.mjs:1\)$/],
    ['pciback.config.ts', '\nthrow new Error("broken");', /^broken \(\/.*\/here\/pciback\.config\.ts:2\)$/],
    ['pciback.config.ts', 'export default {', /^Unexpected token \(\/.*\/here\/pciback\.config\.ts:1\)$/],
    ['pciback.config.js', 'export const x = 1;', /^it has no default export$/],
    [
      'pciback.config.ts',
      'import { readFileSync } from "node:fs"; export default readFileSync("/not/there");',
      /^ENOENT: .*\/not\/there/,
    ],
  ])('%s that cannot be read: %s', async (name, text, why) => {
    write('here/package.json', '{ "type": "module" }');
    const file = write(`here/${name}`, text);
    await expect(load()).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      facts: { file, why: expect.stringMatching(why) },
    });
  });

  it('a package.json that is broken, and another program’s, is passed over', async () => {
    write('here/package.json', '{ "name": "somebody-else", ');
    expect((await load()).file).toBeUndefined();
    write('here/package.json', '{ "dependencies": { "pciback": "^1" }, ');
    expect((await load()).file).toBeUndefined();
  });

  it('a package.json whose key is written in another way is a matter of trust too', async () => {
    const file = write('here/package.json', '{ "pc\\u0069back": { "slots": "x" } }');
    const onlooker = { ...anybody, uid: 0, status: async () => ({ uid: 1000, mode: 0o644, kind: 'file' as const }) };
    await expect(loadConfig({ cwd: join(directory, 'here'), systemDirectory: system, onlooker })).rejects.toMatchObject(
      { code: 'CONFIG_UNTRUSTED', facts: { file } },
    );
  });

  it('that nobody can tell whether it is there', async () => {
    symlinkSync('here', join(directory, 'here'));
    await expect(load()).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      facts: { file: join(directory, 'here/pciback.config.ts'), why: expect.stringContaining('ELOOP') },
    });
  });

  it('none, where a file stands in the place of the directory', async () => {
    write('here', '');
    expect((await load()).file).toBeUndefined();
  });

  it('that others could change, as root, before any of it runs', async () => {
    const file = write('here/pciback.config.mjs', 'throw new Error("this must never run");');
    const onlooker = {
      ...anybody,
      uid: 0,
      status: async (path: string) => ({ ...(await anybody.status(path)), uid: path === file ? 1000 : 0, mode: 0o755 }),
    };
    const loading = (options: object) =>
      loadConfig({ cwd: join(directory, 'here'), systemDirectory: system, onlooker, ...options });
    const refusal = { code: 'CONFIG_UNTRUSTED', facts: { file, path: file, why: 'belongs to user 1000' } };
    await expect(loading({})).rejects.toMatchObject(refusal);
    await expect(loading({ file })).rejects.toMatchObject(refusal);
  });

  it.each<[string, object, string, string | undefined]>([
    ['an unknown key inside', { onReset: { fialed: 'allow' } }, 'onReset.fialed', 'failed'],
    ['an unknown key of a guest', { guests: { 'work-vm': { slot: 'x' } } }, 'guests.work-vm.slot', 'slots'],
    [
      'an unknown key of a device',
      { guests: { vm: { devices: { '03:00.0': { permisive: true } } } } },
      'guests.vm.devices["03:00.0"].permisive',
      'permissive',
    ],
    ['an unknown word', { log: { level: 'inof' } }, 'log.level', 'info'],
    ['an unknown key of an id', { hide: [{ vendor: '8086', devcie: '10d3' }] }, 'hide[0].devcie', 'device'],
    ['nothing near', { onReset: { colour: 'blue' } }, 'onReset.colour', undefined],
  ])('for %s', async (_what, data, key, nearest) => {
    const file = write('here/pciback.config.json', JSON.stringify(data));
    await expect(load()).rejects.toMatchObject({ code: 'CONFIG_INVALID', facts: { file, key, nearest } });
  });

  it.each<[object, string, string]>([
    [{ hide: ['0000:03:0g.0'] }, 'hide[0]', '"0000:03:0g.0" is not a PCI address'],
    [{ permissive: ['03:20.0'] }, 'permissive[0]', 'above 0x1f'],
    [{ permissive: [3] }, 'permissive[0]', 'expected an address such as'],
    [{ permissive: 3 }, 'permissive', 'expected a list of addresses, or a text such as'],
    [{ guests: { vm: { devices: { '03:00': {} } } } }, 'guests.vm.devices["03:00"]', 'is not a PCI address'],
    [{ hide: [{ vendor: 8086 }] }, 'hide[0].vendor', 'four hexadecimal digits in quotes'],
    [{ hide: [3] }, 'hide[0]', 'expected an address such as "0000:03:00.0" or "0000:03:00.*", or { vendor, device }'],
    [{ slots: 3 }, 'slots', 'expected string'],
    [
      { guests: { vm: { devices: { '03:00.0': { permissive: true }, '0000:03:00.0': { permissive: false } } } } },
      'guests.vm.devices["0000:03:00.0"]',
      'it is the same address as "03:00.0", which stands here too',
    ],
    [{ plugins: [['a', 'b', 'c']] }, 'plugins[0]', 'expected a name, or'],
    [{ shutdownSeconds: -1 }, 'shutdownSeconds', '0'],
    [[], '', 'expected object'],
  ])('for a wrong value: %j', async (data, key, why) => {
    write('here/pciback.config.json', JSON.stringify(data));
    await expect(load()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      facts: { key, why: expect.stringContaining(why) },
    });
  });
});

describe('what an rc file means', () => {
  it('addresses are parsed, keys of devices canonical', async () => {
    write(
      'here/pciback.config.json',
      JSON.stringify({
        hide: ['0000:03:00.*', { vendor: '8086', device: '10d3' }, { vendor: '14e4' }],
        permissive: ['04:00.0'],
        plugins: ['a', ['b', { c: 1 }]],
        guests: { vm: { slots: 'passthrough', devices: { ' 3:0.0 ': { permissive: true } } } },
      }),
    );
    const { config } = await load();
    const device = (address: string, vendor: number, id: number): FunctionFacts => ({
      bdf: parseBdf(address),
      vendor,
      device: id,
      class: 0x020000,
      bridges: [],
    });
    expect(config.hide.map((pattern) => pattern.text)).toEqual(['0000:03:00.*', '8086:10d3', '14e4:*']);
    expect(config.hide.map((pattern) => pattern.means(device('03:00.5', 0x8086, 0x10d3)))).toEqual([true, true, false]);
    expect(config.hide.map((pattern) => pattern.means(device('04:00.5', 0x14e4, 1)))).toEqual([false, false, true]);
    expect(config.permissive[0]?.matches(parseBdf('0000:04:00.0'))).toBe(true);
    expect(config.plugins).toEqual(['a', ['b', { c: 1 }]]);
    expect(config.guests).toEqual({ vm: { slots: 'passthrough', devices: { '0000:03:00.0': { permissive: true } } } });
  });
});

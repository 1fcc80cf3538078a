// SPDX-License-Identifier: MIT

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import { doors } from '../../../plugins/program/doors.ts';
import { type Asker, loadByName, resolvePlugin } from '../../../plugins/program/resolve.ts';
import { assertTrusted, thisProcess } from '../../../plugins/trust.ts';

let directory = '';
const write = (path: string, text: string) => {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'pciback-resolve-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const plain = definePlugin({ name: 'slots/plain', api: '^1.0', apply: () => {} });
const asker = (): Asker => ({
  asked: 'pciback.config.ts: plugins[0]',
  directory,
  bundled: { 'slots/plain': { byDefault: true, load: async () => ({ default: plain }) } },
  // A temporary directory may belong to anybody; trust has tests of its own.
  onlooker: { ...thisProcess(), uid: 1000 },
  doors,
});

describe('finding plugins', () => {
  it('bundled ones by name', async () => {
    expect(await resolvePlugin('slots/plain', asker())).toEqual({ origin: 'bundled', things: [plain] });
  });

  it('TypeScript by path, without a way from there to this package and without leaving a file', async () => {
    write(
      'ts/policy.ts',
      `import { definePlugin } from 'pciback/plugin';
       import { size } from './size.ts';
       const api: string = '^1.0';
       export default definePlugin({ name: 'lab/policy' + size, api, apply: () => {} });`,
    );
    write('ts/size.ts', 'export const size: number = 3;');
    const { things, origin } = await resolvePlugin('./ts/policy.ts', asker());
    expect(things).toMatchObject([{ kind: 'plugin', name: 'lab/policy3' }]);
    expect(origin).toBe(join(directory, 'ts/policy.ts'));
    expect(readdirSync(join(directory, 'ts')).sort()).toEqual(['policy.ts', 'size.ts']);
  });

  it('what a TypeScript file throws is an error of this very catalogue', async () => {
    write(
      'ts/bad.ts',
      `import { register } from 'pciback/quirk';
       export default register(-1, 8, 'window');`,
    );
    await expect(resolvePlugin('./ts/bad.ts', asker())).rejects.toMatchObject({ code: 'FIELD_INVALID' });
  });

  it('JavaScript by path, absolute too, importing this package by name', async () => {
    write(
      'js/quirks.mjs',
      `export default [1, 2].map((n) => ({ kind: 'quirk', name: 'q/' + n, match: [], sets: [] }));`,
    );
    write(
      'js/policy.mjs',
      `import { definePlugin } from 'pciback/plugin';
       export default definePlugin({ name: 'lab/js', api: '^1.0', apply() {} });`,
    );
    const { things } = await resolvePlugin(join(directory, 'js/quirks.mjs'), asker());
    expect(things.map((thing) => thing.name)).toEqual(['q/1', 'q/2']);
    expect((await resolvePlugin('./js/policy.mjs', asker())).things).toMatchObject([{ name: 'lab/js' }]);
  });

  it('quirks in JSON', async () => {
    write(
      'nic.json',
      JSON.stringify({
        name: 'acme/nic',
        source: 'data sheet 1.2',
        match: [{ vendor: '8086', device: '10d3' }],
        fields: [{ offset: '0xe8', width: 16, name: 'window', writable: '0x00ff' }],
      }),
    );
    expect((await resolvePlugin('./nic.json', asker())).things).toMatchObject([{ kind: 'quirk', name: 'acme/nic' }]);
    write('broken.json', '{ "name": ');
    await expect(resolvePlugin('./broken.json', asker())).rejects.toMatchObject({ code: 'QUIRK_INVALID' });
  });

  it('packages, with exports for import only', async () => {
    write(
      'node_modules/@acme/nic/package.json',
      '{ "name": "@acme/nic", "exports": { ".": { "import": "./in.mjs" } } }',
    );
    write(
      'node_modules/@acme/nic/in.mjs',
      `export default { kind: 'plugin', name: '@acme/nic', api: '^1.0', apply() {} };`,
    );
    mkdirSync(join(directory, 'etc'), { recursive: true });
    const { things, origin } = await resolvePlugin('@acme/nic', { ...asker(), directory: join(directory, 'etc') });
    expect(things).toMatchObject([{ name: '@acme/nic' }]);
    expect(origin).toBe(join(directory, 'node_modules/@acme/nic/in.mjs'));
  });
});

describe('packages as their authors make them', () => {
  const pack = (name: string, manifest: object, files: Readonly<Record<string, string>>, under = 'node_modules') => {
    write(`${under}/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', ...manifest }));
    for (const [file, text] of Object.entries(files)) write(`${under}/${name}/${file}`, text);
  };

  it.each([
    [
      'module.exports',
      { type: 'commonjs' },
      `module.exports = { kind: 'plugin', name: 'x', api: '^1.0', apply() {} };`,
    ],
    [
      'what a compiler made of a default export',
      { type: 'commonjs', main: 'index.js' },
      `"use strict"; Object.defineProperty(exports, "__esModule", { value: true });
       exports.default = { kind: 'plugin', name: 'x', api: '^1.0', apply() {} };`,
    ],
    [
      'a default export in a package that npm init made, with pciback by name',
      { type: 'commonjs', main: 'index.js' },
      `import { definePlugin } from 'pciback/plugin'; export default definePlugin({ name: 'x', api: '^1.0', apply() {} });`,
    ],
    [
      'require of pciback by name',
      {},
      `const { definePlugin } = require('pciback/plugin'); module.exports = definePlugin({ name: 'x', api: '^1.0', apply() {} });`,
    ],
    [
      'a door for require alone',
      { exports: { require: './index.js' } },
      `module.exports = { kind: 'plugin', name: 'x', api: '^1.0', apply() {} };`,
    ],
  ])('CommonJS: %s', async (what, manifest, text) => {
    const name = `common-${what.replace(/\W+/g, '-')}`;
    pack(name, manifest, { 'index.js': text });
    expect((await resolvePlugin(name, asker())).things).toMatchObject([{ kind: 'plugin', name: 'x' }]);
  });

  const quirk = JSON.stringify({
    name: 'acme/data',
    source: 'data sheet 1.2',
    match: [{ vendor: '8086', device: '10d3' }],
    fields: [{ offset: '0xe8', width: 16, name: 'window', writable: '0x00ff' }],
  });
  it.each([{ main: 'quirk.json' }, { main: './quirk' }, { exports: './quirk.json' }])(
    'a quirk as data alone: %j',
    async (manifest) => {
      const name = `data-${Object.keys(manifest)}-${Object.values(manifest)[0]?.length}`;
      pack(name, manifest, { 'quirk.json': quirk });
      expect((await resolvePlugin(name, asker())).things).toMatchObject([{ kind: 'quirk', name: 'acme/data' }]);
    },
  );

  it('beside pciback, after those above the rc file', async () => {
    const beside = join(directory, 'prefix/lib/node_modules');
    const module = (name: string) => `module.exports = { kind: 'plugin', name: '${name}', api: '^1.0', apply() {} };`;
    for (const name of ['pciback-both', '@acme/pciback-far'])
      pack(name, {}, { 'index.js': module(`far ${name}`) }, 'prefix/lib/node_modules');
    pack('pciback-both', {}, { 'index.js': module('near') });
    const named = async (name: string) => (await resolvePlugin(name, { ...asker(), beside })).things[0]?.name;
    expect(await named('@acme/pciback-far')).toBe('far @acme/pciback-far');
    expect(await named('pciback-both')).toBe('near');
    for (const [name, near] of [
      ['@acme/pciback-fart', '@acme/pciback-far'],
      ['pciback-boht', 'pciback-both'],
      ['acme/far', '@acme/pciback-far'],
      ['both', 'pciback-both'],
    ] as const) {
      await expect(named(name)).rejects.toMatchObject({
        code: 'PLUGIN_UNKNOWN',
        facts: { nearest: near, tried: expect.arrayContaining([beside]) },
      });
    }
  });
});

describe('plugins that cannot be found or used', () => {
  it('an unknown name: the nearest, and where it was looked for', async () => {
    await expect(resolvePlugin('slots/plane', asker())).rejects.toMatchObject({
      code: 'PLUGIN_UNKNOWN',
      message: expect.stringContaining('pciback.config.ts: plugins[0]: there is no plugin "slots/plane"'),
      facts: {
        nearest: 'slots/plain',
        tried: expect.arrayContaining(['the bundled plugins', join(directory, 'node_modules')]),
      },
    });
    await expect(resolvePlugin('toString', asker())).rejects.toMatchObject({ code: 'PLUGIN_UNKNOWN' });
    await expect(resolvePlugin('fs', asker())).rejects.toMatchObject({ code: 'PLUGIN_UNKNOWN' });
  });

  it.each([
    ['./gone.ts', 'pciback.config.ts: plugins[0]', 'Check the path, which counts from the rc file.'],
    ['/gone.ts', 'plugins load', 'Check the path.'],
    [
      'gone',
      'plugins load',
      'Check the name: `pciback plugins` lists what is loaded, other packages have to be installed.',
    ],
  ])('%s, for %s: what to do', async (name, asked, solve) => {
    await expect(resolvePlugin(name, { ...asker(), asked })).rejects.toMatchObject({ code: 'PLUGIN_UNKNOWN', solve });
  });

  it('an unknown path: the nearest file', async () => {
    write('near/policy.ts', '');
    await expect(resolvePlugin('./near/polcy.ts', asker())).rejects.toMatchObject({
      code: 'PLUGIN_UNKNOWN',
      facts: { nearest: './near/policy.ts', tried: [join(directory, 'near/polcy.ts')] },
    });
  });

  it.each([
    ['./bad/none.mjs', 'export const x = 1;', 'no default export'],
    ['./bad/other.mjs', 'export default { name: 1 };', 'neither a plugin nor a quirk'],
    ['./bad/empty.mjs', 'export default [];', 'neither a plugin nor a quirk'],
    ['./bad/syntax.mjs', 'export default {', './bad/syntax.mjs'],
    ['./bad/throws.mjs', 'throw new Error("no licence");', 'no licence'],
    ['./bad/x.yaml', 'a: 1', 'ends in'],
    ['./bad/compiled.cjs', 'exports.__esModule = true; exports.name = 1;', 'no default export'],
  ])('%s', async (name, text, why) => {
    write(name, text);
    await expect(resolvePlugin(name, asker())).rejects.toMatchObject({
      code: 'PLUGIN_LOAD',
      message: expect.stringContaining(why),
    });
  });

  it('refuses options for a module of several', async () => {
    write('two.mjs', `export default [1, 2].map((n) => ({ kind: 'quirk', name: 'q/' + n, match: [], sets: [] }));`);
    const host = new PluginHost({ kinds, log: silent });
    await expect(loadByName(host, './two.mjs', {}, asker())).rejects.toMatchObject({ code: 'PLUGIN_OPTIONS' });
    await loadByName(host, './two.mjs', undefined, asker());
    expect(host.loaded).toMatchObject([{ name: 'q/1' }, { name: 'q/2' }]);
  });

  it('refuses, as root, files and packages that others can write', async () => {
    write('open/policy.mjs', 'throw new Error("this must never run");');
    write('open/node_modules/open/package.json', '{ "name": "open", "exports": "./in.mjs" }');
    write('open/node_modules/open/in.mjs', 'throw new Error("this must never run");');
    const files = ['open/policy.mjs', 'open/node_modules/open/in.mjs'].map((file) => join(directory, file));
    write('open/imports.mjs', `import './policy.mjs';`);
    for (const file of files) chmodSync(file, 0o666);
    // Only the mode counts here: everything belongs to root as far as this onlooker can see.
    const real = thisProcess();
    const onlooker = {
      ...real,
      uid: 0,
      status: async (path: string) => {
        const facts = await real.status(path);
        return { ...facts, uid: 0, mode: path.startsWith(`${directory}/`) ? facts.mode : 0o755 };
      },
    };
    await assertTrusted(directory, onlooker);
    for (const [name, file] of [
      ['./policy.mjs', files[0]],
      ['./imports.mjs', files[0]],
      ['open', files[1]],
    ] as const) {
      await expect(
        resolvePlugin(name, { ...asker(), directory: join(directory, 'open'), onlooker }),
      ).rejects.toMatchObject({ code: 'CONFIG_UNTRUSTED', facts: { path: file } });
    }
  });
});

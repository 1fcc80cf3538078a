// SPDX-License-Identifier: MIT

import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { createEmbeddedPlatform, sample } from '../../../plugins/platforms/embedded/index.ts';
import type { RcFile } from '../../../plugins/program/config.ts';
import { loadConfig } from '../../../plugins/program/rc-file.ts';
import { Reloader } from '../../../plugins/program/reload.ts';
import { type RunningPciback, startLoaded } from '../../../plugins/program/start.ts';

let home: string;
let running: RunningPciback | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-true-reload-'));
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  rmSync(home, { recursive: true });
});

const at = (name: string): string => join(home, name);
const write = (name: string, text: string): void => {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), text);
};

/** A quirk whose mask is told by an expression. */
const quirk = (mask: string, imports = ''): string => `${imports}
import { defineQuirk, ids, register } from 'pciback/quirk';
export default defineQuirk({ name: 'acme/nic', source: 'a test', match: ids('8086', ['10d3']),
  fields: [register(0x60, 16, 'window').writable(${mask})] });`;
const json = (mask: string): string =>
  JSON.stringify({
    name: 'acme/nic',
    source: 'a test',
    match: [{ vendor: '8086', device: '10d3' }],
    fields: [{ offset: '0x60', width: 16, name: 'window', writable: mask }],
  });

interface Edit {
  readonly what: string;
  /** What is loaded. */
  readonly entry: string;
  readonly files: Readonly<Record<string, string>>;
  /** What is edited, and what it says then. */
  readonly edited: readonly [file: string, text: string];
}

const packaged = (name: string): Readonly<Record<string, string>> => ({
  [`node_modules/${name}/package.json`]: `{ "name": "${name}", "type": "module", "exports": "./masks.js" }`,
  [`node_modules/${name}/masks.js`]: 'export const mask = 0x0f;',
});

const edits: readonly Edit[] = [
  { what: 'a .ts entry', entry: 'a.ts', files: { 'a.ts': quirk('0x0f') }, edited: ['a.ts', quirk('0xf0')] },
  {
    what: 'a file that a .ts imports',
    entry: 'b.ts',
    files: {
      'b.ts': quirk('mask', `import { mask } from './b-masks.mjs';`),
      'b-masks.mjs': 'export const mask = 0x0f;',
    },
    edited: ['b-masks.mjs', 'export const mask = 0xf0;'],
  },
  {
    what: 'an .mjs',
    entry: 'c.mjs',
    files: {
      'c.mjs': quirk('mask', `import { mask } from './c/masks.mjs';`),
      'c/masks.mjs': 'export const mask = 0x0f;',
    },
    edited: ['c/masks.mjs', 'export const mask = 0xf0;'],
  },
  { what: 'JSON', entry: 'd.json', files: { 'd.json': json('0x000f') }, edited: ['d.json', json('0x00f0')] },
  {
    what: 'a package in node_modules',
    entry: 'e.ts',
    files: { 'e.ts': quirk('mask', `import { mask } from 'acme-masks';`), ...packaged('acme-masks') },
    edited: ['node_modules/acme-masks/masks.js', 'export const mask = 0xf0;'],
  },
  {
    what: 'data that CommonJS requires',
    entry: 'f.mjs',
    files: {
      'f.mjs': quirk('masks.mask', `import masks from './f.cjs';`),
      'f.cjs': `module.exports = { mask: require('./f-data.json').mask };`,
      'f-data.json': '{ "mask": 15 }',
    },
    edited: ['f-data.json', '{ "mask": 240 }'],
  },
];

const begin = async (config: RcFile): Promise<Reloader> => {
  write('pciback.config.json', JSON.stringify({ control: false, ...config }));
  const read = () => loadConfig({ cwd: home });
  const loaded = await read();
  const since = Date.now();
  running = await startLoaded(loaded, {
    log: silent,
    platform: createEmbeddedPlatform({ devices: [sample('e1000e')] }),
  });
  const { plugins, config: inForce } = running;
  return new Reloader({ plugins, inForce, loaded, read, setLevel: () => undefined, since });
};
const load = (name: string): Promise<unknown> | undefined =>
  running?.parts
    .operations()
    .get('quirk-load')
    ?.answer({ file: at(name) }) as Promise<unknown> | undefined;
/** The mask of the quirk that runs. */
const mask = (): number | undefined =>
  running?.plugins.registries.quirks.entries.find(({ name }) => name === 'acme/nic')?.thing.sets[0]?.registers[0]
    ?.claims[0]?.mask;
const loadedQuirks = (): string[] =>
  running?.plugins.loaded.flatMap(({ name, origin }) => (origin === 'bundled' ? [] : [name])) ?? [];
/** File systems count in steps of the clock's tick. */
const tick = (): Promise<void> => wait(30);

describe.each(edits)('after an edit of $what', ({ what, entry, files, edited }) => {
  const prepare = (): void => {
    for (const [name, text] of Object.entries(files)) write(name, text);
  };

  it('the new code runs after quirk load', async () => {
    prepare();
    await begin({});
    await load(entry);
    const before = mask();
    write(...edited);
    await load(entry);
    console.log(
      `${what}: 0x${before?.toString(16)} was loaded, ${edited[0]} was edited, 0x${mask()?.toString(16)} runs`,
    );
    expect([before, mask()]).toEqual([0x0f, 0xf0]);
  });

  it('the new code runs after a reload, and the next one finds nothing to do', async () => {
    prepare();
    await tick();
    const reloader = await begin({ quirks: [entry] });
    expect(mask()).toBe(0x0f);
    await tick();
    write(...edited);
    expect((await reloader.reload()).keys).toEqual(['quirks']);
    expect(mask()).toBe(0xf0);
    await tick();
    expect((await reloader.reload()).keys).toEqual([]);
  });

  it('it is seen by what it says, where the time and size of the file are as before', async () => {
    prepare();
    await begin({});
    await load(entry);
    write(...edited);
    utimesSync(at(edited[0]), 1, 1);
    await load(entry);
    expect(mask()).toBe(0xf0);
  });
});

describe('what does not load', () => {
  it.each([
    ['a syntax error', `export default {`],
    ['an error of the quirk', quirk('0x1ffff')],
    ['bits that others have', quirk('0xff').replace('0x60', '0x04')],
    ['await at the top level', `${quirk('await Promise.resolve(0xf0)')}`],
  ])('for %s leaves the old one in force', async (_, text) => {
    write('a.mjs', quirk('0x0f'));
    await begin({});
    await load('a.mjs');
    write('a.mjs', text);
    await expect(load('a.mjs')).rejects.toThrow();
    expect(mask()).toBe(0x0f);
  });

  it('says that a module which waits at its top level is for a start', async () => {
    write('wait.mjs', quirk('await Promise.resolve(0x0f)'));
    await begin({});
    await expect(load('wait.mjs')).rejects.toThrow(/await at its top level.*at a start only/);
  });

  const two = (first: string, second: string): string => `import { defineQuirk, ids, register } from 'pciback/quirk';
    const one = (name, offset, mask) => defineQuirk({ name, source: 'a test', match: ids('8086', ['10d3']),
      fields: [register(offset, 16, 'window').writable(mask)] });
    export default [${first}, ${second}];`;

  it('of several quirks in one file leaves all of the old ones, and their file', async () => {
    write('two.mjs', two(`one('acme/nic', 0x60, 0x0f)`, `one('acme/old', 0x64, 0xff)`));
    await begin({});
    await load('two.mjs');
    write('two.mjs', two(`one('acme/nic', 0x60, 0xf0)`, `one('acme/new', 0x04, 0xff)`));
    await expect(load('two.mjs')).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
    expect(mask()).toBe(0x0f);
    expect(loadedQuirks().sort()).toEqual([
      'acme/nic',
      'acme/old',
      ...loadedQuirks().filter((name) => !name.startsWith('acme/')),
    ]);
  });

  it('a quirk that a file has no more, or under another name, goes', async () => {
    write('two.mjs', two(`one('acme/nic', 0x60, 0x0f)`, `one('acme/old', 0x64, 0xff)`));
    await begin({});
    await load('two.mjs');
    write('two.mjs', two(`one('acme/nic', 0x60, 0x0f)`, `one('acme/renamed', 0x64, 0xff)`));
    await load('two.mjs');
    expect(
      loadedQuirks()
        .filter((name) => name.startsWith('acme/'))
        .sort(),
    ).toEqual(['acme/nic', 'acme/renamed']);
  });
});

describe('a plugin, which cannot be exchanged', () => {
  it('refuses a reload when it was edited, or what it imports', async () => {
    write(
      'plugin.mjs',
      `import 'node:path'; import 'fs'; import 'data:text/javascript,1'; import { name } from './name.mjs'; export default { kind: 'plugin', name, api: '^1.0', apply() {} };`,
    );
    write('name.mjs', `export const name = 'acme/plugin';`);
    await tick();
    const reloader = await begin({ plugins: ['./plugin.mjs'] });
    expect((await reloader.reload()).keys).toEqual([]);
    await tick();
    write('name.mjs', `export const name = 'acme/other';`);
    await expect(reloader.reload()).rejects.toMatchObject({
      code: 'RELOAD_REFUSED',
      facts: { keys: [`plugin acme/plugin (${at('name.mjs')} was edited)`] },
    });
  });
});

describe('code that is imported when it is needed', () => {
  it('is that of the load, and one that was there before stays with whoever has it', async () => {
    write('lazy.mjs', `globalThis.pcibackLazy = () => import('./later.mjs'); ${quirk('0x0f')}`);
    write('later.mjs', 'export const now = 1;');
    await begin({});
    const lazy = async (): Promise<number> =>
      (await (globalThis as unknown as { pcibackLazy: () => Promise<{ now: number }> }).pcibackLazy()).now;
    await load('lazy.mjs');
    expect(await lazy()).toBe(1);
    write('later.mjs', 'export const now = 2;');
    await load('lazy.mjs');
    expect(await lazy()).toBe(2);
  });
});

// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { build, dist, run, start } from '../plugins/commands/built.ts';
import { compile } from './compiler.ts';

vi.setConfig({ testTimeout: 120_000 });

const root = resolve(import.meta.dirname, '../..');
const json = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string } | string>>;
}
const manifest = json(join(root, 'package.json')) as Manifest;

/** A folder as an operator has it; nothing of the repository is above it. */
let home = '';
/** `dist` of the package that is installed there. */
let installed = '';
let count = 0;

const modules = (name: string): string => join(home, 'node_modules', name);
const link = (name: string): void => {
  mkdirSync(dirname(modules(name)), { recursive: true });
  symlinkSync(realpathSync(join(root, 'node_modules', name)), modules(name));
};

/** Packs a folder as for the registry, and unpacks it where `npm install` would. */
const install = (name: string, folder: string): void => {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--offline', '--silent'], { cwd: folder });
  mkdirSync(modules(name), { recursive: true });
  const tarball = join(folder, packed.toString().trim());
  execFileSync('tar', ['-xzf', tarball, '-C', modules(name), '--strip-components=1']);
};

const installPciback = (): void => {
  const staging = join(home, 'staging');
  mkdirSync(staging);
  for (const name of ['package.json', ...manifest.files]) {
    cpSync(name === 'dist' ? dist : join(root, name), join(staging, name), { recursive: true });
  }
  install('pciback', staging);
  for (const name of Object.keys(manifest.dependencies)) link(name);
  installed = join(modules('pciback'), 'dist');
};

/** A folder of its own with these files. */
const place = (files: Readonly<Record<string, string>>, above = home): string => {
  count += 1;
  const folder = join(above, `place-${count}`);
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
};

/** A tsconfig.json that writes nothing, with these libraries of types. */
const tsconfig = (lib: readonly string[], types: readonly string[]): string => {
  const compilerOptions = { target: 'es2023', lib, module: 'nodenext', types, strict: true, skipLibCheck: false };
  return JSON.stringify({ compilerOptions: { ...compilerOptions, exactOptionalPropertyTypes: true, noEmit: true } });
};

/** The packages of three strangers: the folder of each under test/fixtures/packages, and its name. */
const strangers = [
  ['slot-mapper', 'pciback-slots-from-the-end'],
  ['platform', 'pciback-platform-shelf'],
  ['command', 'pciback-command-who'],
] as const;
/** What the compiler said to each. */
const said = new Map<string, readonly string[]>();

beforeAll(() => {
  build();
  home = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-packages-')));
  installPciback();
  for (const name of ['@types/node', 'undici-types']) link(name);
  for (const [folder, name] of strangers) {
    const own = join(home, folder);
    cpSync(join(root, 'test/fixtures/packages', folder), own, { recursive: true });
    said.set(folder, compile(own));
    install(name, own);
  }
}, 600_000);
afterAll(() => rmSync(home, { recursive: true }));

describe('the packed package', () => {
  it('has every door that its package.json names', () => {
    const doors = Object.values(manifest.exports).flatMap((door) =>
      typeof door === 'string' ? [] : Object.values(door),
    );
    expect(doors.length).toBeGreaterThanOrEqual(10);
    for (const file of doors) expect(readFileSync(join(modules('pciback'), file), 'utf8')).toMatch(/\S/);
  });
});

describe('types of the packed package, with skipLibCheck: false', () => {
  it.each(strangers)('are enough for the %s', (folder) => {
    expect(said.get(folder)).toEqual([]);
  });

  it('of the slot mapper need nothing of node, only the URL that zod needs too', () => {
    const { compilerOptions } = json(join(home, 'slot-mapper/tsconfig.json')) as { compilerOptions: object };
    expect(compilerOptions).toMatchObject({ types: [], lib: ['es2023', 'dom'] });
  });

  it('of a quirk need the language alone', () => {
    const quirk = `import { defineQuirk, ids, register } from 'pciback/quirk';
      export default defineQuirk({ name: 'acme/nic', source: 'x', match: ids('1234', ['5678']),
        fields: [register(0xe8, 16, 'control').writable(0xff)] });`;
    expect(compile(place({ 'nic.mts': quirk, 'tsconfig.json': tsconfig(['es2023'], []) }))).toEqual([]);
  });

  it('refuse what is not there', () => {
    const wrong = `import { definePlugin } from 'pciback/plugin';
      export default definePlugin({ name: 'a', api: '^1.0', apply: (host) => { host.hooks.reset.tap(() => undefined); } });`;
    expect(compile(place({ 'a.mts': wrong, 'tsconfig.json': tsconfig(['es2023'], ['node']) }))).toEqual([
      expect.stringContaining("Property 'reset' does not exist"),
    ]);
  });
});

/** One rc file for all three; `more`: lines after it. */
const all = (more: string): string =>
  place({
    'pciback.config.yaml': `
plugins: [${strangers.map(([, name]) => name).join(', ')}]
log: { level: info }
${more.includes('control:') ? '' : 'control: ./control.sock\n'}${more}`,
  });

describe('packages of strangers, under the packed command', () => {
  it('a slot mapper gives a guest its addresses, and a command asks who has what', async () => {
    const folder = all('slots: from-the-end\nembedded: { devices: [samples] }\n');
    const serving = start(['serve'], folder, installed);
    await serving.printed('included guest is up');
    const asked = await run(['who'], folder, installed);
    serving.signal('SIGTERM');
    const { status, out, err } = await serving.end;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/up guest=\d+ found=\[.*"0000:00:1e\.0 \w+","0000:00:1f\.0 \w+"\]/);
    expect(asked.err).toBe('');
    expect(asked.out).toMatch(/^embedded, \d+ plugins and quirks\n(0000:[0-9a-f:.]+ {2}[1-9]\d*\n)+$/);
  });

  it('a platform has a section of the rc file, and is looked at by the doctor', async () => {
    const folder = all(
      'platform: shelf\nshelf: { cards: [e1000e], patience: 7 }\nhide: [{ vendor: "8086", device: "10d3" }]\n',
    );
    const serving = start(['serve'], folder, installed);
    await serving.printed(' ready ');
    const asked = await run(['who'], folder, installed);
    const doctor = await run(['doctor'], folder, installed);
    serving.signal('SIGTERM');
    const { status, out, err } = await serving.end;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(/patience.*7/);
    expect(asked.out).toMatch(/^shelf, \d+ plugins and quirks\n0000:[0-9a-f:.]+ {2}nobody\n$/);
    expect(doctor.out).toMatch(/shelf.*stands/);
  });

  it.each([
    ['shelf: { card: [e1000e] }', /^error CONFIG_INVALID: .* shelf\.card: .* Perhaps you meant "(shelf\.)?cards"\./],
    ['shelf: { patience: never }', /^error CONFIG_INVALID: .*shelf\.patience/],
    ['shelve: {}', /^error CONFIG_INVALID: .* shelve: .* Perhaps you meant "shelf"\./],
  ])('a wrong %s is refused', async (more, why) => {
    const { status, err } = await run(['serve'], all(`platform: shelf\n${more}\n`), installed);
    expect(err).toMatch(why);
    expect(status).toBe(1);
  });

  it('a command is in the help, beside the bundled ones', async () => {
    const { status, out, err } = await run(['--help'], all(''), installed);
    expect(out).toMatch(/^ {2}serve [\s\S]*^ {2}who \[options\] \[bdf\] +which guest has which device$/m);
    expect({ status, err }).toEqual({ status: 0, err: '' });
  });

  it('all are listed with where they come from', async () => {
    const { out } = await run(['plugins'], all('control: false\n'), installed);
    expect(out).toMatch(/^pciback-slots-from-the-end .* slots\n {4}1\.4\.0 from .*index\.js$/m);
    expect(out).toMatch(/^pciback-platform-shelf .* platforms$/m);
    expect(out).toMatch(/^pciback-command-who .* commands$/m);
  });
});

describe('files in TypeScript outside of any node_modules', () => {
  const doors = Object.keys(manifest.exports)
    .map((door) => door.replace('.', 'pciback'))
    // For tests, which a test runner starts where the package is installed.
    .filter((door) => !['pciback/testing', 'pciback/package.json'].includes(door));
  let outside = '';
  beforeAll(() => {
    outside = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-outside-')));
  });
  afterAll(() => rmSync(outside, { recursive: true }));

  it('import every door, and zod', async () => {
    expect(doors).toEqual(expect.arrayContaining(['pciback', 'pciback/plugin', 'pciback/quirk', 'pciback/config']));
    const imports = [...doors, 'zod'].map((door, index) => `import * as door${index} from '${door}';`);
    const folder = place(
      {
        'pciback.config.ts': `${imports.join('\n')}
import { defineConfig } from 'pciback/config';
export default defineConfig({ plugins: ['./own.ts'], quirks: ['./nic.mts'], control: false });`,
        'own.ts': `${imports.join('\n')}
import type { BundledOperations } from 'pciback';
import { definePlugin, type Host } from 'pciback/plugin';
import { z } from 'zod';
const options = z.strictObject({ word: z.string().default('said') }).prefault({});
export type Wanted = BundledOperations['status']['asks'];
export default definePlugin({
  name: 'own', version: '3.2.1', api: '^1.0', options,
  apply: (host: Host, { word }) => host.log.warn({ word, doors: [${doors.map((_door, index) => `door${index}`)}].length }, 'own'),
});`,
        'nic.mts': `import { defineQuirk, ids, register } from 'pciback/quirk';
export default defineQuirk({ name: 'own/nic', source: 'x', match: ids('1234', ['5678']), fields: [register(0xe8, 16, 'c').writable(1)] });`,
      },
      outside,
    );
    const { status, out, err } = await run(['plugins', '--json'], folder, installed);
    expect(err).toContain(`word=said doors=${doors.length}`);
    expect(status).toBe(0);
    const { plugins } = JSON.parse(out) as { plugins: readonly { name: string; origin: string }[] };
    expect(plugins.filter(({ origin }) => origin !== 'bundled').map(({ name }) => name)).toEqual(['own', 'own/nic']);
  });
});

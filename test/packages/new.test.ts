// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { API_VERSION } from '../../core/plugin/definition.ts';
import { run, start } from '../plugins/commands/built.ts';
import { dumpOf } from '../plugins/commands/places.ts';
import { compile } from './compiler.ts';
import { all, asData, compiled, made, openWorkshop, quirkAsData, type Workshop } from './workshop.ts';

vi.setConfig({ testTimeout: 600_000 });

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
}, 600_000);
afterAll(() => shop.close(), 600_000);

/** The part of the checkers that is used here; they are loaded for their tests alone. */
interface Publint {
  publint(terms: Readonly<Record<string, unknown>>): Promise<{ readonly messages: readonly object[] }>;
}
interface TypesChecker {
  createPackageFromTarballData(tarball: Uint8Array): object;
  checkPackage(files: object): Promise<{ readonly types: unknown; readonly problems?: readonly object[] }>;
}
const load = (name: string): Promise<unknown> => import(/* @vite-ignore */ name);

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string } | string>>;
}

const manifestOf = (name: string) => JSON.parse(readFileSync(join(shop.folderOf(name), 'package.json'), 'utf8'));

describe('what pciback new writes', () => {
  it.each(all)('$name: a package, said file by file', ({ words: [kind], name }) => {
    const { status, out, err } = shop.said.get(name) ?? { status: -1, out: '', err: '' };
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toBe(`${name}, in ${basename(name)}:`);
    expect(lines.at(-1)).toBe(`next: cd ${basename(name)} && npm install && npm test`);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    const device = name === 'pciback-acme-traced' ? 'test/session.log' : 'test/device.txt';
    for (const file of ['package.json', 'README.md', '.gitignore', '.github/workflows/test.yml', device]) {
      expect(out).toContain(`  ${file}`);
      expect(readFileSync(join(shop.folderOf(name), file), 'utf8')).toMatch(/\S\n$/);
    }
    expect(manifestOf(name)).toMatchObject({
      name,
      keywords: ['pciback', 'pciback-plugin', `pciback-${kind}`],
      peerDependencies: { pciback: expect.stringMatching(/^>=\d/) },
    });
    const text = readdirSync(shop.folderOf(name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .join('\n');
    expect(text).not.toMatch(/acme.thing|\bthing\b/);
  });

  it('asks for the plugin API of this pciback', () => {
    const api = `^${API_VERSION.split('.').slice(0, 2).join('.')}`;
    for (const { words, name } of made) {
      if (words[0] === 'quirk') continue;
      expect(readFileSync(join(shop.folderOf(name), 'src/index.ts'), 'utf8')).toContain(`api: '${api}'`);
    }
  });

  it('from a dump: its ids, the registers that nobody has named, and its text', () => {
    const { out } = shop.said.get('pciback-acme-dumped') ?? { out: '' };
    const folder = shop.folderOf('pciback-acme-dumped');
    const code = readFileSync(join(folder, 'src/index.ts'), 'utf8');
    expect(code).toContain(`match: ids('8086', ['10d3'])`);
    expect(code).toMatch(/register\(0x[0-9a-f]+, 32, 'register 0x[0-9a-f]+'\)\.readOnly\(\), \/\/ 0x[0-9a-f]{8}\n/);
    expect(out).toMatch(/^registers that nobody has named, .*\n( {2}0x[0-9a-f]{2} +0x[0-9a-f]{8}\n)+/m);
    expect(readFileSync(join(folder, 'test/device.txt'), 'utf8')).toBe(dumpOf(256));
  });

  it('from a trace: the bits that its driver changed, and the trace as the test', () => {
    const opened = [
      ['0xb0', '0x3'],
      ['0xb4', '0xcafe'],
      ['0xb8', '0x80'],
    ];
    const { out } = shop.said.get('pciback-acme-traced') ?? { out: '' };
    expect(out).toMatch(
      new RegExp(`^bits that .* now writable:\\n${opened.map(([at, bits]) => ` +${at} +${bits}\\n`).join('')}`, 'm'),
    );
    const folder = shop.folderOf('pciback-acme-traced');
    expect(readFileSync(join(folder, 'src/index.ts'), 'utf8')).toMatch(
      /name: 'acme\/traced',\n {2}source: "[^"/]*trace\.log /,
    );
    expect(readFileSync(join(folder, 'test/index.test.ts'), 'utf8')).toContain(
      `session: new URL('../../test/session.log'`,
    );
    expect(readdirSync(join(folder, 'test')).sort()).toEqual(['index.test.ts', 'session.log']);
    const data = shop.folderOf('pciback-acme-traced-data');
    const { name, fields } = JSON.parse(readFileSync(join(data, 'quirk.json'), 'utf8'));
    expect(name).toBe('acme/traced-data');
    expect(fields).toHaveLength(3);
    expect(readFileSync(join(data, 'test/device.txt'), 'utf8')).toBe(dumpOf(256));
  });
});

describe('a package that pciback new has written', () => {
  it.each(compiled)('$name compiles, with skipLibCheck: false', ({ name }) => {
    expect(compile(shop.folderOf(name))).toEqual([]);
  });

  it('passes its tests, each of them', async () => {
    const files = [
      ...compiled.map(({ name }) => join(shop.folderOf(name), 'dist/test/index.test.js')),
      ...asData.map(({ name }) => join(shop.folderOf(name), 'test/quirk.test.mjs')),
    ];
    const { status, out } = await shop.call(process.execPath, ['--test', '--test-reporter=tap', ...files], shop.work);
    expect(out.split('\n').filter((line) => line.includes('not ok'))).toEqual([]);
    expect(status).toBe(0);
    expect(Number(/^# pass (\d+)$/m.exec(out)?.[1])).toBeGreaterThanOrEqual(files.length);
    // A test that no longer sees its plugin fails.
    const broken = join(shop.folderOf('pciback-acme-nic'), 'dist/src/index.js');
    const good = readFileSync(broken, 'utf8');
    writeFileSync(broken, good.replace('0xe8', '0xd8'));
    expect((await shop.call(process.execPath, ['--test', files[0] ?? ''], shop.work)).status).toBe(1);
    writeFileSync(broken, good);
  });

  it('is built and tested by its own scripts', async () => {
    const out = await shop.npm(['test'], shop.folderOf('pciback-acme-nic'));
    expect(out).toMatch(/pass 1/);
    expect(out).toContain('denies nothing that is needed, allows 36 bits');
  });
});

/** A tsconfig.json that writes nothing, with these libraries of types. */
const tsconfig = (lib: readonly string[], types: readonly string[]): string => {
  const compilerOptions = { target: 'es2023', lib, module: 'nodenext', types, strict: true, skipLibCheck: false };
  return JSON.stringify({ compilerOptions: { ...compilerOptions, exactOptionalPropertyTypes: true, noEmit: true } });
};

describe('the packed package', () => {
  it('has every door that its package.json names', () => {
    const folder = join(shop.modules, 'pciback');
    const { exports: doors } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    const files = Object.values(doors).flatMap((door) => (typeof door === 'string' ? [] : Object.values(door)));
    expect(files.length).toBeGreaterThanOrEqual(10);
    for (const file of files) expect(readFileSync(join(folder, file), 'utf8')).toMatch(/\S/);
  });

  it('has no fault that publint knows', async () => {
    const { publint } = (await load('publint')) as Publint;
    const { messages } = await publint({ pkgDir: join(shop.modules, 'pciback'), pack: false, strict: true });
    expect(messages).toEqual([]);
  });

  it('has the types of its code, wherever a program that imports modules looks for them', async () => {
    const { checkPackage, createPackageFromTarballData } = (await load('@arethetypeswrong/core')) as TypesChecker;
    const checked = await checkPackage(createPackageFromTarballData(readFileSync(shop.tarball)));
    expect(checked.types).toMatchObject({ kind: 'included' });
    // CommonJS, and compilers from before package.json had exports, are not offered anything.
    const { problems = [] } = checked;
    const isOffered = (one: object) =>
      !('resolutionKind' in one && /^node(10|16-cjs)$/.test(String(one.resolutionKind)));
    expect(problems.filter(isOffered)).toEqual([]);
  });

  const compiles = (text: string, lib: readonly string[], types: readonly string[]): readonly string[] =>
    compile(shop.place({ 'it.mts': text, 'tsconfig.json': tsconfig(lib, types) }, shop.work));

  it('has types of which a slot mapper needs nothing of node, only the URL that zod needs too', () => {
    const text = readFileSync(join(shop.folderOf('pciback-acme-tail'), 'src/index.ts'), 'utf8');
    expect(compiles(text, ['es2023', 'dom'], [])).toEqual([]);
  });

  it('has types of which a quirk needs the language alone', () => {
    const text = readFileSync(join(shop.folderOf('pciback-acme-nic'), 'src/index.ts'), 'utf8');
    expect(compiles(text, ['es2023'], [])).toEqual([]);
  });

  it('has types that refuse what is not there', () => {
    const wrong = `import { definePlugin } from 'pciback/plugin';
      export default definePlugin({ name: 'a', api: '^1.0', apply: (host) => { host.hooks.reset.tap(() => undefined); } });`;
    expect(compiles(wrong, ['es2023'], ['node'])).toEqual([expect.stringContaining("Property 'reset' does not exist")]);
  });
});

describe('packed and installed beside pciback', () => {
  beforeAll(() => shop.installAll([...made, quirkAsData].map(({ name }) => name)), 600_000);

  const rc = `plugins: [${made.map(({ name }) => `'${name}'`).join(', ')}]
interrupts: few
slots: tail
platform: shelf
shelf: { cards: [e1000e] }
refused-writes: { ignore: [fields/power] }
control: ./control.sock
folders: []
`;

  it('every kind is loaded from an rc file in another folder', async () => {
    const { status, out, err } = await shop.pciback(['plugins', '--json'], shop.place({ 'pciback.config.yaml': rc }));
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const { plugins } = JSON.parse(out) as { plugins: readonly { name: string; origin: string; brings: object }[] };
    const own = plugins.filter(({ origin }) => origin !== 'bundled');
    expect(own.map(({ name, origin, brings }) => [name, origin, ...Object.keys(brings)])).toEqual(
      made.map(({ words: [kind], name }) => {
        const entry = join(shop.modules, name, 'dist/src/index.js');
        const kinds = { quirk: ['quirks'], policy: ['interrupts'], reset: [], command: ['commands'], part: ['parts'] };
        const brought = { slots: ['slots'], fields: ['fields'], platform: ['platforms'], ...kinds }[kind];
        return [kind === 'quirk' ? 'acme/nic' : name, entry, ...brought];
      }),
    );
    // One pciback for all of them.
    expect(readdirSync(shop.modules, { recursive: true }).filter((one) => /(^|\/)pciback$/.test(String(one)))).toEqual([
      'pciback',
    ]);
  });

  const onEmbedded = rc.replace('platform: shelf\nshelf: { cards: [e1000e] }', 'embedded: { devices: [samples] }');
  const served = async (text: string, until: string, ...asked: readonly string[]) => {
    const [folder, dist] = [shop.place({ 'pciback.config.yaml': text }), join(shop.modules, 'pciback/dist')];
    const serving = start(['serve'], folder, dist);
    await serving.printed(until);
    const answers = [];
    for (const word of asked) answers.push(await run([word], folder, dist));
    serving.signal('SIGTERM');
    const { status, out, err } = await serving.end;
    expect({ status, err }).toEqual({ status: 0, err: '' });
    return { out, answers };
  };

  it('a command is in the help', async () => {
    const { out } = await shop.pciback(['--help'], shop.place({ 'pciback.config.yaml': rc }));
    expect(out).toMatch(/^ {2}serve [\s\S]*^ {2}who \[options\] \[bdf\] +which guest has which device$/m);
  });

  it('a slot mapper gives a guest its addresses, and a command asks who has what', async () => {
    const { out, answers } = await served(onEmbedded, 'included guest is up', 'who');
    expect(out).toMatch(/up guest=\d+ found=\[.*"0000:00:1e\.0 \w+","0000:00:1f\.0 \w+"\]/);
    expect(answers[0]).toMatchObject({ err: '', out: expect.stringMatching(/^(0000:[0-9a-f:.]+ {2}[1-9]\d*\n)+$/) });
  });

  it('a platform has a section of the rc file, and is looked at by the doctor', async () => {
    const text = `${rc}hide: [{ vendor: "8086", device: "10d3" }]\n`;
    const { out, answers } = await served(text, ' ready ', 'who', 'doctor');
    expect(out).toMatch(/opened.*e1000e/);
    expect(answers[0]?.out).toMatch(/^0000:[0-9a-f:.]+ {2}nobody\n$/);
    expect(answers[1]?.out).toMatch(/cards.*nothing is needed/);
  });

  it.each([
    ['shelf: { card: [e1000e] }', /^error CONFIG_INVALID: .* shelf\.card: .* Perhaps you meant "(shelf\.)?cards"\./],
    ['shelf: { cards: [e100] }', /^error CONFIG_INVALID: .*shelf\.cards/],
    ['shelve: {}', /^error CONFIG_INVALID: .* shelve: .* Perhaps you meant "shelf"\./],
  ])('a wrong %s is refused', async (section, why) => {
    const text = rc.replace('shelf: { cards: [e1000e] }', section);
    const { status, err } = await shop.pciback(['serve'], shop.place({ 'pciback.config.yaml': text }));
    expect(err).toMatch(why);
    expect(status).toBe(1);
  });

  it('each is listed with its version, and where it comes from', async () => {
    const { out } = await shop.pciback(['plugins'], shop.place({ 'pciback.config.yaml': rc }));
    expect(out).toMatch(/^pciback-acme-tail .* slots\n {4}0\.1\.0 from .*index\.js$/m);
  });

  it('a quirk as data too', async () => {
    const folder = shop.place({ 'pciback.config.yaml': 'plugins: [pciback-acme-data]\ncontrol: false\nfolders: []\n' });
    const { out } = await shop.pciback(['plugins'], folder);
    expect(out).toMatch(/^acme\/data .* quirks\n {4}quirk from \S*pciback-acme-data\/quirk\.json$/m);
  });

  it('a name that is nearly right is met by what is installed', async () => {
    const refused = async (name: string) =>
      (await shop.pciback(['plugins'], shop.place({ 'pciback.config.yaml': `plugins: ['${name}']\nfolders: []\n` })))
        .err;
    expect(await refused('pciback-acme-nick')).toMatch(/Perhaps you meant "pciback-acme-nic"/);
    expect(await refused('acme/shelf')).toMatch(/Perhaps you meant "@acme\/pciback-shelf"/);
  });
});

describe('files in TypeScript outside of any node_modules', () => {
  it('import every door, and zod', async () => {
    const { exports: paths } = JSON.parse(readFileSync(join(shop.modules, 'pciback/package.json'), 'utf8')) as Manifest;
    const doors = Object.keys(paths)
      .map((door) => door.replace('.', 'pciback'))
      // For tests, which a test runner starts where the package is installed.
      .filter((door) => !['pciback/testing', 'pciback/package.json'].includes(door));
    expect(doors).toEqual(expect.arrayContaining(['pciback', 'pciback/plugin', 'pciback/quirk', 'pciback/config']));
    const imports = [...doors, 'zod'].map((door, index) => `import * as door${index} from '${door}';`);
    const folder = shop.place({
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
    });
    const { status, out, err } = await shop.pciback(['plugins', '--json'], folder);
    expect(err).toContain(`word=said doors=${doors.length}`);
    expect(status).toBe(0);
    const { plugins } = JSON.parse(out) as { plugins: readonly { name: string; origin: string }[] };
    expect(plugins.filter(({ origin }) => origin !== 'bundled').map(({ name }) => name)).toEqual(['own', 'own/nic']);
  });
});

describe('npm create pciback-plugin', () => {
  it('does what pciback new does, where none is installed', async () => {
    const folder = shop.place({});
    const words = ['create', '--yes', 'pciback-plugin', '--', 'quirk', 'acme/created'];
    const { status, out } = await shop.call('npm', words, folder);
    expect(out).toMatch(/^pciback-acme-created, in pciback-acme-created:$/m);
    expect(status).toBe(0);
    expect(readdirSync(join(folder, 'pciback-acme-created'))).toContain('package.json');
    const wrong = await shop.call('npm', ['create', '--yes', 'pciback-plugin', '--', 'quark', 'acme/created'], folder);
    expect(wrong.err).toContain('Perhaps you meant "quirk"');
    expect(wrong.status).toBe(2);
  });
});

describe('pciback new refuses', () => {
  it.each([
    [['quark', 'acme/nic'], 2, 'Perhaps you meant "quirk"'],
    [['quirk', 'nic'], 2, 'acme/nic or @acme/pciback-nic'],
    [['policy', 'Acme/Few'], 2, 'Perhaps you meant "acme/few"'],
    [['policy', '@acme/few'], 2, 'Perhaps you meant "@acme/pciback-few"'],
    [['policy', '../few'], 2, 'is no name'],
    [['policy', 'few', '--json'], 2, 'only a quirk can be data'],
    [['part', 'few', '--from-dump', 'nic.txt'], 2, '--from-dump is for quirks'],
    [['part', 'few', '--from-trace', 'trace.log'], 2, '--from-trace is for quirks'],
    [['quirk', 'a/b', '--from-trace', 'none.log'], 1, 'none.log cannot be read'],
    [['quirk', 'a/b', '--from-trace', 'nic.txt'], 1, 'nic.txt'],
    [['quirk', 'a/b', '--from-trace', 'trace.log', '--device', '7f:00.0'], 1, 'it has no access of "7f:00.0"'],
    [['quirk', 'a/b', '--device', '01:00.0'], 2, '--from-dump or --from-trace, which is missing'],
    [['quirk', 'a/b', '--from-dump', 'none.txt'], 1, 'none.txt cannot be read'],
    [['quirk', 'a/b', '--from-dump', 'nic.txt', '--device', '7f:00.0'], 1, '0000:7f:00.0'],
    [['quirk', 'acme/nic'], 1, 'it is not empty'],
    [['quirk', 'a/b', 'no/such/folder'], 1, 'ENOENT'],
    [['quirk', 'a/b', 'nic.txt'], 1, 'ENOTDIR'],
  ])('%j', async (words, status, why) => {
    const before = readdirSync(shop.work).sort();
    const ended = await shop.pciback(['new', ...words]);
    expect(ended.err).toContain(why);
    expect(ended.status).toBe(status);
    expect(readdirSync(shop.work).sort()).toEqual(before);
  });

  it('nothing that is there: an empty folder is used, and stays the one that it is', async () => {
    const folder = shop.place({});
    const { status, out } = await shop.pciback(['new', 'quirk', 'acme/nic', '.'], folder);
    expect(status).toBe(0);
    expect(out).toMatch(/^pciback-acme-nic, in this folder:\n[\s\S]*^next: npm install && npm test$/m);
    expect(readdirSync(folder).sort()).toEqual(
      ['.github', '.gitignore', 'README.md', 'package.json', 'src', 'test', 'tsconfig.json'].sort(),
    );
  });

  it('of a dump with several functions: says which there are, and takes the one that is named', async () => {
    const two = `${dumpOf(256)}\n${dumpOf(256).replace(/^\S+/, '02:00.0')}`;
    const folder = shop.place({ 'two.txt': two });
    const words = ['new', 'quirk', 'acme/nic', '--from-dump', 'two.txt'];
    const { err } = await shop.pciback(words, folder);
    expect(err).toMatch(/two\.txt has 2 functions; say which with --device: 0000:[0-9a-f:.]+, 0000:02:00\.0/);
    expect((await shop.pciback([...words, '--device', '02:00.0'], folder)).status).toBe(0);
    const text = readFileSync(join(folder, 'pciback-acme-nic/test/device.txt'), 'utf8');
    expect(text).toMatch(/^0000:02:00\.0 Device \[8086:10d3\]\n00: 86 80 d3 10 /);
  });
});

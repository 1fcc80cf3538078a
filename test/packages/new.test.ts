// SPDX-License-Identifier: MIT

import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { API_VERSION } from '../../core/plugin/definition.ts';
import { build, dist } from '../plugins/commands/built.ts';
import { dumpOf } from '../plugins/commands/places.ts';
import { compile } from './compiler.ts';
import { type Registry, startRegistry } from './registry.ts';

vi.setConfig({ testTimeout: 600_000 });

const root = resolve(import.meta.dirname, '../..');

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** What is made: the words after `pciback new`, and the name of its package. */
const made = [
  { words: ['quirk', 'acme/nic'], name: 'pciback-acme-nic' },
  { words: ['policy', 'acme/few'], name: 'pciback-acme-few' },
  { words: ['slots', 'acme/tail'], name: 'pciback-acme-tail' },
  { words: ['fields', 'acme/cap'], name: 'pciback-acme-cap' },
  { words: ['reset', 'acme/slow-reset'], name: 'pciback-acme-slow-reset' },
  { words: ['platform', '@acme/pciback-shelf'], name: '@acme/pciback-shelf' },
  { words: ['command', 'who'], name: 'pciback-who' },
  { words: ['part', 'refused-writes'], name: 'pciback-refused-writes' },
] as const;
const quirkAsData = { words: ['quirk', 'acme/data', '--json'], name: 'pciback-acme-data' };
const fromDump = [
  { words: ['quirk', 'acme/dumped', '--from-dump', 'nic.txt'], name: 'pciback-acme-dumped' },
  { words: ['quirk', 'acme/dumped-data', '--from-dump', 'nic.txt', '--json'], name: 'pciback-acme-dumped-data' },
];
const compiled = [...made, ...fromDump.slice(0, 1)];
const all = [...made, quirkAsData, ...fromDump];

let home = '';
/** Where packages are written: one folder of packages for all. */
let work = '';
/** What `npm install -g` installs into. */
let prefix = '';
let registry: Registry;

const folderOf = (name: string): string => join(work, basename(name));
const manifestOf = (name: string) => JSON.parse(readFileSync(join(folderOf(name), 'package.json'), 'utf8'));

const call = (file: string, words: readonly string[], cwd: string): Promise<Ended> =>
  new Promise((ended) => {
    // A root that others may write to is no place of root's own configuration.
    const env = { ...process.env, npm_config_cache: join(home, 'cache'), npm_config_registry: registry.url };
    execFile(file, words, { cwd, env, maxBuffer: 2 ** 24 }, (error, out, err) => {
      ended({ status: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
const npm = async (words: readonly string[], cwd: string): Promise<string> => {
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--omit=optional'];
  const { status, out, err } = await call('npm', [...words, ...quiet], cwd);
  if (status !== 0) throw new Error(`npm ${words.join(' ')}:\n${out}${err}`);
  return out;
};
const pciback = (words: readonly string[], cwd = work): Promise<Ended> => call(join(prefix, 'bin/pciback'), words, cwd);

const place = (files: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(home, 'place-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
};

/** What is printed for each package when it is made. */
const said = new Map<string, Ended>();

beforeAll(async () => {
  build();
  home = realpathSync(mkdtempSync(join(tmpdir(), 'pciback-new-')));
  [work, prefix] = [join(home, 'work'), join(home, 'prefix')];
  for (const folder of [work, prefix]) mkdirSync(folder);
  registry = await startRegistry(join(root, 'node_modules'));
  const staging = join(home, 'staging');
  for (const name of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'docs']) {
    cpSync(join(root, name), join(staging, name), { recursive: true });
  }
  cpSync(dist, join(staging, 'dist'), { recursive: true });
  const tarball = await npm(['pack', '--ignore-scripts', '--silent'], staging);
  await registry.publish(join(staging, tarball.trim()));
  await npm(['install', '-g', '--prefix', prefix, 'pciback'], home);
  writeFileSync(join(work, 'nic.txt'), dumpOf(256));
  for (const { words, name } of all) said.set(name, await pciback(['new', ...words]));
  writeFileSync(join(work, 'package.json'), JSON.stringify({ private: true, workspaces: ['pciback-*'] }));
  await npm(['install'], work);
}, 600_000);
afterAll(async () => {
  await registry.close();
  rmSync(home, { recursive: true });
});

describe('what pciback new writes', () => {
  it.each(all)('$name: a package, said file by file', ({ words: [kind], name }) => {
    const { status, out, err } = said.get(name) ?? { status: -1, out: '', err: '' };
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toBe(`${name}, in ${basename(name)}:`);
    expect(lines.at(-1)).toBe(`next: cd ${basename(name)} && npm install && npm test`);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    for (const file of ['package.json', 'README.md', '.gitignore', '.github/workflows/test.yml', 'test/device.txt']) {
      expect(out).toContain(`  ${file}`);
      expect(readFileSync(join(folderOf(name), file), 'utf8')).toMatch(/\S\n$/);
    }
    expect(manifestOf(name)).toMatchObject({
      name,
      keywords: ['pciback', 'pciback-plugin', `pciback-${kind}`],
      peerDependencies: { pciback: expect.stringMatching(/^>=\d/) },
    });
    const text = readdirSync(folderOf(name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .join('\n');
    expect(text).not.toMatch(/acme.thing|\bthing\b/);
  });

  it('asks for the plugin API of this pciback', () => {
    const api = `^${API_VERSION.split('.').slice(0, 2).join('.')}`;
    for (const { words, name } of made) {
      if (words[0] === 'quirk') continue;
      expect(readFileSync(join(folderOf(name), 'src/index.ts'), 'utf8')).toContain(`api: '${api}'`);
    }
  });

  it('from a dump: its ids, the registers that nobody has named, and its text', () => {
    const { out } = said.get('pciback-acme-dumped') ?? { out: '' };
    const folder = folderOf('pciback-acme-dumped');
    const code = readFileSync(join(folder, 'src/index.ts'), 'utf8');
    expect(code).toContain(`match: ids('8086', ['10d3'])`);
    expect(code).toMatch(/register\(0x[0-9a-f]+, 32, 'register 0x[0-9a-f]+'\)\.readOnly\(\), \/\/ 0x[0-9a-f]{8}\n/);
    expect(out).toMatch(/^registers that nobody has named, .*\n( {2}0x[0-9a-f]{2} +0x[0-9a-f]{8}\n)+/m);
    expect(readFileSync(join(folder, 'test/device.txt'), 'utf8')).toBe(dumpOf(256));
  });
});

describe('a package that pciback new has written', () => {
  it.each(compiled)('$name compiles, with skipLibCheck: false', ({ name }) => {
    expect(compile(folderOf(name))).toEqual([]);
  });

  it('passes its tests, each of them', async () => {
    const files = [
      ...compiled.map(({ name }) => join(folderOf(name), 'dist/test/index.test.js')),
      ...[quirkAsData, ...fromDump.slice(1)].map(({ name }) => join(folderOf(name), 'test/quirk.test.mjs')),
    ];
    const { status, out } = await call(process.execPath, ['--test', '--test-reporter=tap', ...files], work);
    expect(out.split('\n').filter((line) => line.includes('not ok'))).toEqual([]);
    expect(status).toBe(0);
    expect(Number(/^# pass (\d+)$/m.exec(out)?.[1])).toBeGreaterThanOrEqual(files.length);
    // A test that no longer sees its plugin fails.
    const broken = join(folderOf('pciback-acme-nic'), 'dist/src/index.js');
    const good = readFileSync(broken, 'utf8');
    writeFileSync(broken, good.replace('0xe8', '0xd8'));
    expect((await call(process.execPath, ['--test', files[0] ?? ''], work)).status).toBe(1);
    writeFileSync(broken, good);
  });

  it('is built and tested by its own scripts', async () => {
    const out = await npm(['test'], folderOf('pciback-acme-nic'));
    expect(out).toMatch(/pass 1/);
    expect(out).toContain('denies nothing that is needed, allows 36 bits');
  });
});

describe('packed and installed beside pciback', () => {
  beforeAll(async () => {
    const packed = await npm(
      ['pack', '--workspaces', '--ignore-scripts', '--silent', '--pack-destination', home],
      work,
    );
    for (const tarball of packed.trim().split('\n')) await registry.publish(join(home, tarball));
    await npm(['install', '-g', '--prefix', prefix, ...[...made, quirkAsData].map(({ name }) => name)], home);
  }, 600_000);

  const modules = (): string => join(prefix, 'lib/node_modules');
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
    const { status, out, err } = await pciback(['plugins', '--json'], place({ 'pciback.config.yaml': rc }));
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const { plugins } = JSON.parse(out) as { plugins: readonly { name: string; origin: string; brings: object }[] };
    const own = plugins.filter(({ origin }) => origin !== 'bundled');
    expect(own.map(({ name, origin, brings }) => [name, origin, ...Object.keys(brings)])).toEqual(
      made.map(({ words: [kind], name }) => {
        const entry = join(modules(), name, 'dist/src/index.js');
        const kinds = { quirk: ['quirks'], policy: ['interrupts'], reset: [], command: ['commands'], part: ['parts'] };
        const brought = { slots: ['slots'], fields: ['fields'], platform: ['platforms'], ...kinds }[kind];
        return [kind === 'quirk' ? 'acme/nic' : name, entry, ...brought];
      }),
    );
    // One pciback for all of them.
    expect(readdirSync(modules(), { recursive: true }).filter((one) => /(^|\/)pciback$/.test(String(one)))).toEqual([
      'pciback',
    ]);
  });

  it('and works: a guest has its device in the last slot, and the command asks for it', async () => {
    const { out } = await pciback(['--help'], place({ 'pciback.config.yaml': rc }));
    expect(out).toMatch(/^ {2}who \[options\] \[bdf\] +which guest has which device$/m);
    const folder = place({ 'pciback.config.yaml': rc.replace('platform: shelf\nshelf: { cards: [e1000e] }', '') });
    const shown = await pciback(['demo', join(folderOf('pciback-acme-nic'), 'test/device.txt')], folder);
    expect(shown).toMatchObject({ status: 0, err: '' });
    expect(shown.out).toMatch(/1f\.0/);
  });

  it('a quirk as data too', async () => {
    const folder = place({ 'pciback.config.yaml': 'plugins: [pciback-acme-data]\ncontrol: false\nfolders: []\n' });
    const { out } = await pciback(['plugins'], folder);
    expect(out).toMatch(/^acme\/data .* quirks\n {4}quirk from \S*pciback-acme-data\/quirk\.json$/m);
  });

  it('a name that is nearly right is met by what is installed', async () => {
    const refused = async (name: string) =>
      (await pciback(['plugins'], place({ 'pciback.config.yaml': `plugins: ['${name}']\nfolders: []\n` }))).err;
    expect(await refused('pciback-acme-nick')).toMatch(/Perhaps you meant "pciback-acme-nic"/);
    expect(await refused('acme/shelf')).toMatch(/Perhaps you meant "@acme\/pciback-shelf"/);
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
    [['quirk', 'a/b', '--device', '01:00.0'], 2, '--from-dump, which is missing'],
    [['quirk', 'a/b', '--from-dump', 'none.txt'], 1, 'none.txt cannot be read'],
    [['quirk', 'a/b', '--from-dump', 'nic.txt', '--device', '7f:00.0'], 1, '0000:7f:00.0'],
    [['quirk', 'acme/nic'], 1, 'it is not empty'],
    [['quirk', 'a/b', 'no/such/folder'], 1, 'ENOENT'],
    [['quirk', 'a/b', 'nic.txt'], 1, 'ENOTDIR'],
  ])('%j', async (words, status, why) => {
    const before = readdirSync(work).sort();
    const ended = await pciback(['new', ...words]);
    expect(ended.err).toContain(why);
    expect(ended.status).toBe(status);
    expect(readdirSync(work).sort()).toEqual(before);
  });

  it('nothing that is there: an empty folder is used, and stays the one that it is', async () => {
    const folder = place({});
    const { status, out } = await pciback(['new', 'quirk', 'acme/nic', '.'], folder);
    expect(status).toBe(0);
    expect(out).toMatch(/^pciback-acme-nic, in this folder:\n[\s\S]*^next: npm install && npm test$/m);
    expect(readdirSync(folder).sort()).toEqual(
      ['.github', '.gitignore', 'README.md', 'package.json', 'src', 'test', 'tsconfig.json'].sort(),
    );
  });

  it('of a dump with several functions: says which there are, and takes the one that is named', async () => {
    const two = `${dumpOf(256)}\n${dumpOf(256).replace(/^\S+/, '02:00.0')}`;
    const folder = place({ 'two.txt': two });
    const words = ['new', 'quirk', 'acme/nic', '--from-dump', 'two.txt'];
    const { err } = await pciback(words, folder);
    expect(err).toMatch(/two\.txt has 2 functions; say which with --device: 0000:[0-9a-f:.]+, 0000:02:00\.0/);
    expect((await pciback([...words, '--device', '02:00.0'], folder)).status).toBe(0);
    const text = readFileSync(join(folder, 'pciback-acme-nic/test/device.txt'), 'utf8');
    expect(text).toMatch(/^0000:02:00\.0 Device \[8086:10d3\]\n00: 86 80 d3 10 /);
  });
});

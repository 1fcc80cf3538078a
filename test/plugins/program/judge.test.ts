// SPDX-License-Identifier: MIT

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { isPcibackError } from '../../../core/errors/index.ts';
import { runDoctor } from '../../../plugins/commands/doctor-run.ts';
import { configure } from '../../../plugins/commands/setup.ts';
import { startLoaded } from '../../../plugins/program/start.ts';
import { commandContext } from '../../kit/command-context.ts';
import { recordingLog } from '../../kit/embedded-host.ts';

vi.setConfig({ testTimeout: 60_000 });

const home = mkdtempSync(join(tmpdir(), 'pciback-judge-'));
afterAll(() => rmSync(home, { recursive: true }));
const before = process.cwd();
afterEach(() => process.chdir(before));

type Files = Readonly<Record<string, string>>;
let count = 0;
/** A working folder with these files. */
const enter = (files: Files): void => {
  count += 1;
  const folder = join(home, String(count));
  mkdirSync(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  process.chdir(folder);
};

/** On the samples alone, with a socket of its own, but for what the rc file says. */
const rc = (config: object): Files => ({
  'pciback.config.json': JSON.stringify({ embedded: { devices: ['samples'] }, control: 'run/c.sock', ...config }),
});
const plugin = (body: string): string =>
  `export default { kind: 'plugin', name: 'acme/x', version: '1.0.0', api: '^1.0', ${body} };`;
const withPlugin = (text: string, options?: object): Files => ({
  ...rc({ plugins: [options === undefined ? './x.mjs' : ['./x.mjs', options]] }),
  'x.mjs': text,
});
const withQuirk = (text: string): Files => ({ ...rc({ quirks: ['q.json'] }), 'q.json': text });
const quirk = (change: object): string =>
  JSON.stringify({
    name: 'acme/nic',
    source: 'data sheet',
    match: [{ vendor: '8086' }],
    fields: [{ offset: 'e8', width: 8, name: 'r', writable: 'ff' }],
    ...change,
  });

type Options = Readonly<Record<string, string>>;
/** What is wrong, the files, and the options of the command line. */
type Case = readonly [string, Files, Options?];
const rowsOf = (cases: readonly Case[]) => cases.map(([what, files, options = {}]) => ({ what, files, options }));

/** A configuration that `serve` refuses, and what its command line says. */
const broken: readonly Case[] = [
  ['an rc file that is no JSON', { 'pciback.config.json': '{' }],
  ['a key twice', { 'pciback.config.json': '{"hide": [], "hide": []}' }],
  ['an rc file that is no YAML', { 'pciback.config.yaml': 'a: [' }],
  ['an rc file that is not there', {}, { config: 'none.json' }],
  ['a folder as rc file', { 'rc/x': '' }, { config: 'rc' }],
  ['an rc file that is a list', { 'pciback.config.json': '[]' }],
  ['an unknown key', rc({ slot: 'vpci' })],
  ['an unknown key inside', rc({ onReset: { fialed: 'allow' } })],
  ['an unknown key of a section', rc({ embedded: { device: [] } })],
  ['a wrong value of a section', rc({ control: 3 })],
  ['a wrong value', rc({ shutdownSeconds: -1 })],
  ['an address that is none', rc({ hide: ['03:zz.0'] })],
  ['a number for an address', rc({ hide: [3] })],
  ['an id that is a number', rc({ hide: [{ vendor: 8086 }] })],
  ['a device to hide that is not there', rc({ hide: ['7fff:00:00.0'] })],
  ['one address in two spellings', rc({ guests: { a: { devices: { '1:0.0': {}, '01:00.0': {} } } } })],
  ['an unknown platform', rc({ platform: 'embeded' })],
  ['the same on the command line', rc({}), { platform: 'embeded' }],
  ['an unknown slot mapper', rc({ slots: 'vpc' })],
  ['the same on the command line', rc({}), { slots: 'vpc' }],
  ['an unknown slot mapper of a guest', rc({ guests: { a: { slots: 'vpc' } } })],
  ['an unknown interrupt policy', rc({ interrupts: 'strct' })],
  ['the same on the command line', rc({}), { interrupts: 'strct' }],
  ['an unknown interrupt policy of a guest', rc({ guests: { a: { interrupts: 'strct' } } })],
  ['an unknown watch policy', rc({ watch: 'adaptiv' })],
  ['a dump that is not there', rc({ embedded: { devices: ['none.txt'] } })],
  ['a dump that is none', { ...rc({ embedded: { devices: ['d.txt'] } }), 'd.txt': 'hello\n' }],
  ['an unknown plugin', rc({ plugins: ['fields/pwoer'] })],
  ['a plugin file that is not there', rc({ plugins: ['./none.mjs'] })],
  ['a plugin with a slip', { ...rc({ plugins: ['./x.ts'] }), 'x.ts': 'export default {' }],
  ['a plugin that throws', withPlugin('throw new Error("no licence");')],
  ['a plugin without a default export', withPlugin('export const x = 1;')],
  ['a plugin for another API', withPlugin(plugin('apply() {}').replace('^1.0', '^0.9'))],
  ['a plugin that fails in apply', withPlugin(plugin('apply() { throw new Error("no licence"); }'))],
  ['a plugin that taps an unknown hook', withPlugin(plugin('apply(host) { host.hooks.deviceSeizd.tap(() => {}); }'))],
  [
    'an order that names nobody',
    withPlugin(plugin('apply(host) { host.hooks.deviceSeized.tap({ after: "x" }, () => {}); }')),
  ],
  ['options for a plugin without', withPlugin(plugin('apply() {}'), { x: 1 })],
  [
    'a plugin twice',
    { ...rc({ plugins: ['./x.mjs', './y.mjs'] }), 'x.mjs': plugin('apply() {}'), 'y.mjs': plugin('apply() {}') },
  ],
  ['a name in `without` that is none', rc({ without: ['fields/pwoer'] })],
  ['a name in `without` and in `plugins`', rc({ without: ['fields/power'], plugins: ['fields/power'] })],
  ['the slot mapper left out', rc({ without: ['slots/vpci'] })],
  [
    'a part that another one needs left out',
    withPlugin(plugin(`apply(host) { host.parts.add('x', { about: 'x', needs: ['y'] }); }`)),
  ],
  [
    'two parts with one operation',
    withPlugin(
      plugin(
        `apply(host) { host.parts.add('x', { about: 'x', operations: { status: { about: 'x', asks: {}, answer() {} } } }); }`,
      ),
    ),
  ],
  ['a quirk that is not there', rc({ quirks: ['none.json'] })],
  ['a quirk with a key twice', withQuirk('{"name": "a", "name": "b"}')],
  ['a quirk without a source', withQuirk(quirk({ source: undefined }))],
  ['a quirk over a bundled field', withQuirk(quirk({ fields: [{ offset: '4', width: 8, name: 'r', writable: '1' }] }))],
  ['a quirk with an offset that is none', withQuirk(quirk({ fields: [{ offset: '1000', width: 8, name: 'r' }] }))],
  ['a socket path that is too long', rc({ control: `/tmp/${'x'.repeat(120)}` })],
  ['a folder in the place of the socket', { ...rc({}), 'run/c.sock/x': '' }],
  ['a file in the place of the socket', { ...rc({}), 'run/c.sock': '' }],
  ['a file in the place of its folder', { ...rc({}), run: '' }],
];

/** Where there is no Xen, that is what `serve` refuses each of these for, and some for more. */
const onXen: readonly Case[] = [
  ['platform xen, by the rc file', rc({ platform: 'xen' })],
  ['platform xen, by the command line', rc({}), { platform: 'xen' }],
  ['platform xen with an unknown loader', rc({ platform: 'xen', native: 'kofi' })],
  ['platform xen with an unknown key', rc({ platform: 'xen', xen: { lan: true } })],
  ['platform xen with an unknown slot mapper', rc({ platform: 'xen', slots: 'vpc' })],
];

/** What `serve` says of a configuration: the refusal, or nothing when it has begun and was ended. */
const serves = async (options: Options): Promise<unknown> => {
  try {
    const { log } = recordingLog();
    await (await startLoaded(await configure(options), { log })).stop();
    return undefined;
  } catch (error) {
    return error;
  }
};

/** The first refusal of `doctor`, of a configuration that it does not find usable, and what it prints. */
const judges = async (options: Options): Promise<{ said: unknown; status: number; text: string }> => {
  const json = commandContext({ ...options, json: true });
  try {
    const status = await runDoctor(json.context);
    const text = json.printed.join('\n');
    const { checks, usable } = JSON.parse(text);
    expect(usable).toBe(status === 0);
    const refusal = checks.find(
      ({ verdict, section }: { verdict: string; section: string }) =>
        verdict === 'missing' && ['configuration', 'start'].includes(section),
    );
    return { said: refusal, status, text };
  } catch (error) {
    // A platform that is not there is said as an error, as `serve` says it.
    const { message: detail, solve: next } = error as { message: string; solve: string };
    return { said: { detail, next }, status: 1, text: '' };
  } finally {
    await json.close();
  }
};

const same = async (files: Files, options: Options = {}): Promise<void> => {
  enter(files);
  const refusal = await serves(options);
  expect(refusal).toBeInstanceOf(Error);
  expect(isPcibackError(refusal)).toBe(true);
  const { said, status } = await judges(options);
  const { message, solve } = refusal as { message: string; solve: string };
  expect(said).toMatchObject({ detail: message, next: solve });
  expect(status).toBe(1);
};

describe('doctor refuses what serve refuses, with the same words', () => {
  it('in more than 40 cases', () => {
    expect(broken.length + onXen.length).toBeGreaterThan(40);
  });

  it.each(rowsOf(broken))('$what', ({ files, options }) => same(files, options));
  it.skipIf(existsSync('/dev/xen/evtchn')).each(rowsOf(onXen))('$what', ({ files, options }) => same(files, options));
});

describe('doctor accepts what serve accepts', () => {
  it.each(
    rowsOf([
      ['no rc file', {}, { control: 'run/c.sock' }],
      ['the samples', rc({})],
      ['a device to hide', rc({ hide: ['01:00.0'] })],
      ['a quirk', withQuirk(quirk({}))],
      ['a plugin', withPlugin(plugin('apply() {}'))],
      ['no socket', rc({ control: false })],
    ]),
  )('$what', async ({ files, options }) => {
    enter(files);
    expect(await serves(options)).toBeUndefined();
    const { said, status } = await judges(options);
    expect({ said, status }).toEqual({ said: undefined, status: 0 });
  });

  it('and both say which patterns match nothing', async () => {
    enter({
      ...rc({
        permissive: ['01:00.0', '7fff:01:00.*'],
        hide: [{ vendor: 'fffe' }],
        guests: { work: { devices: { '01:00.0': {}, '7fff:02:00.0': {} } } },
        quirks: ['q.json'],
      }),
      'q.json': quirk({ match: [{ vendor: 'fffe' }, { vendor: '8086', device: 'fffe' }] }),
    });
    const unmatched = [
      ['hide[0]', 'fffe:*'],
      ['permissive[1]', '7fff:01:00.*'],
      ['guests.work.devices', '7fff:02:00.0'],
      ['quirk', 'acme/nic'],
    ];
    const { log, lines } = recordingLog();
    await (await startLoaded(await configure({}), { log })).stop();
    const warned = lines.filter(({ message }) => message === 'no function of this platform is meant by it');
    expect(warned.map(({ facts }) => facts)).toMatchObject(unmatched.map(([key, text]) => ({ key, text })));
    const absent = lines.filter(({ message }) => message === 'no guest of this name is here yet');
    expect(absent.map(({ facts }) => facts)).toMatchObject([{ key: 'guests.work' }]);
    const { text } = await judges({});
    expect(JSON.parse(text).checks).toContainEqual(
      expect.objectContaining({ what: 'guests.work', detail: 'no guest of this name runs now' }),
    );
    const warnings = JSON.parse(text).checks.filter(({ section, verdict }: { section: string; verdict: string }) => {
      return section === 'start' && verdict === 'warning';
    });
    expect(warnings.map(({ what }: { what: string }) => what)).toEqual(unmatched.map(([key]) => key));
  });
});

// SPDX-License-Identifier: MIT

/** Something wrong that is given to a command, and what comes of it. */
export interface BadInput {
  readonly input: string;
  /** Files in the working folder, by path. A text that begins with `mkfifo` makes a FIFO. */
  readonly files: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  /** Stands in what is said, as it is; `FOLDER` is the working folder, `PACKAGE` the one of pciback. */
  readonly says: string;
  readonly status: number;
  /** Never said. */
  readonly never?: string;
  /** `serve`: a pciback with the samples runs beside it. `gone`: the working folder is deleted. */
  readonly with?: 'serve' | 'gone';
}

/** What a row says is an error of this code. */
export const FIFO = 'mkfifo';

const RC = 'pciback.config.json';
const unreadable = (file: string, why: string): string =>
  `error CONFIG_UNREADABLE: FOLDER/${file} cannot be read: ${why}\n`;
const rc = (config: object): Readonly<Record<string, string>> => ({ [RC]: JSON.stringify(config) });

/** What an rc file of this name comes to. */
const rcFile = (input: string, name: string, text: string, why: string): BadInput => ({
  input,
  files: { 'package.json': '{ "type": "module" }', [name]: text },
  words: ['serve'],
  says: unreadable(name, why),
  status: 1,
});

const rcFiles: readonly BadInput[] = [
  {
    input: 'rc file in JSON with a byte order mark',
    files: { [RC]: '\uFEFF{ "slots": "vpc" }' },
    words: ['serve'],
    says: 'error CHOICE_UNKNOWN: there is no slot mapper "vpc". Perhaps you meant "vpci". Known: vpci, passthrough\n',
    status: 1,
  },
  rcFile(
    'rc file in JSON with a key twice',
    RC,
    '{\n  "hide": [],\n  "hide": ["03:00.0"]\n}',
    'line 3 column 3: the key "hide" is there twice, first in line 2 column 3',
  ),
  rcFile(
    'rc file in YAML with a key twice',
    'pciback.config.yaml',
    'slots: vpci\nslots: passthrough\n',
    'duplicated mapping key (2:1)',
  ),
  rcFile(
    'rc file in JSON with a comment',
    RC,
    '{\n  // mine\n}',
    'line 2 column 3: expected a key in double quotes, found "/"',
  ),
  rcFile('a FIFO as rc file', RC, FIFO, 'it is a FIFO, not a file'),
  {
    ...rcFile('the same, named', 'rc.yaml', FIFO, 'it is a FIFO, not a file'),
    words: ['serve', '--config', 'rc.yaml'],
  },
  {
    input: 'a device as rc file',
    files: {},
    words: ['doctor', '--config', '/dev/zero'],
    says: 'missing  rc file: /dev/zero cannot be read: it is a device, not a file\n',
    status: 1,
  },
  {
    ...rcFile('a folder as rc file', 'rc/x', '', ''),
    words: ['plugins', '--config', 'rc'],
    says: unreadable('rc', 'it is a folder, not a file'),
  },
  rcFile(
    'a loop without end in an rc file',
    'pciback.config.mjs',
    'for (;;);',
    'its code did not come to its end in 20 s',
  ),
  rcFile(
    'the end of the process in an rc file',
    'pciback.config.js',
    'process.exit(0);',
    'its code ended the process that read it, with status 0, as process.exit does',
  ),
  rcFile(
    'a slip in an rc file that is code',
    'pciback.config.mjs',
    'export default {\n  hide: [;\n};',
    "Unexpected token ';' (FOLDER/pciback.config.mjs:2)",
  ),
  rcFile(
    'the same in TypeScript',
    'pciback.config.ts',
    'export default {\n  hide: [;\n};',
    'Unexpected token (FOLDER/pciback.config.ts:2)',
  ),
  rcFile(
    'an rc file that throws',
    'pciback.config.mjs',
    '\n\nthrow new RangeError("no licence");',
    'no licence (FOLDER/pciback.config.mjs:3)',
  ),
  {
    input: 'a broken package.json of another program',
    files: { 'package.json': '{ "name": "other", ' },
    words: ['serve', '--slots', 'x'],
    says: 'error CHOICE_UNKNOWN: there is no slot mapper "x".',
    status: 1,
  },
  rcFile(
    'a broken package.json that has a section for pciback',
    'package.json',
    '{ "pciback": { "slots": } }',
    'line 1 column 25: expected a value, found "}"',
  ),
];

const invalid = (input: string, config: object, says: string): BadInput => ({
  input,
  files: rc(config),
  words: ['serve'],
  says: `error CONFIG_INVALID: FOLDER/${RC}: ${says}\n`,
  status: 1,
});

const values: readonly BadInput[] = [
  invalid(
    '`hide: [3]`',
    { hide: [3] },
    'hide[0]: expected an address such as "0000:03:00.0" or "0000:03:00.*", or { vendor, device }.',
  ),
  invalid('`plugins: [3]`', { plugins: [3] }, 'plugins[0]: expected a name, or [name, { options }].'),
  invalid(
    'one address in two spellings',
    { guests: { work: { devices: { '03:00.0': { permissive: true }, '0000:03:00.0': { permissive: false } } } } },
    'guests.work.devices["0000:03:00.0"]: it is the same address as "03:00.0", which stands here too.',
  ),
  {
    input: 'an unknown key, and where all are listed',
    files: rc({ slot: 'vpci' }),
    words: ['serve'],
    says: 'next: Correct the file; PACKAGE/docs/reference/configuration.md lists every key.\n',
    status: 1,
  },
  ...(
    [
      ['`permissive`', { permissive: ['7fff:1f:00.0'] }, 'permissive[0]: 7fff:1f:00.0 is meant for no function'],
      ['`hide`', { hide: [{ vendor: 'fffe' }] }, 'hide[0]: fffe:* is meant for no function'],
      [
        '`guests`',
        { guests: { a: { devices: { '7fff:1f:0.0': {} } } } },
        'guests.a.devices: 7fff:1f:00.0 is meant for no function',
      ],
    ] as const
  ).map(
    ([what, config, says]): BadInput => ({
      input: `${what} that matches nothing`,
      files: rc({ ...config, embedded: { devices: ['samples'] } }),
      words: ['doctor'],
      says: `warning  ${says} of platform embedded\n`,
      status: 0,
    }),
  ),
  {
    input: '`quirks` that match nothing',
    files: {
      ...rc({ quirks: ['nic.json'], embedded: { devices: ['samples'] } }),
      'nic.json':
        '{"name":"acme/nic","source":"x","match":[{"vendor":"fffe"}],"fields":[{"offset":"e8","width":8,"name":"r","writable":"1"}]}',
    },
    words: ['doctor'],
    says: 'warning  quirk: acme/nic is meant for no function of platform embedded\n',
    status: 0,
  },
];

const commandLines: readonly BadInput[] = [
  { input: '`help help`', files: {}, words: ['help', 'help'], says: 'Usage: pciback <command> [options]', status: 0 },
  { input: '`-h`', files: {}, words: ['-h'], says: 'Usage: pciback <command> [options]', status: 0 },
  {
    input: 'an unknown choice',
    files: {},
    words: ['serve', '--log-level', 'wran'],
    says: `error USAGE: option '--log-level <level>' argument 'wran' is invalid. Allowed choices are debug, info, warn, error. Perhaps you meant "warn".\n`,
    status: 2,
  },
  {
    input: 'a socket path that is too long',
    files: {},
    words: ['status', '--control', `/tmp/${'x'.repeat(103)}`],
    says: `/tmp/${'x'.repeat(103)}: a socket's path has at most 107 bytes, and this one 108\n`,
    status: 1,
  },
  {
    input: 'the same, of a pciback that starts',
    files: {},
    words: ['serve', '--control', `/tmp/${'x'.repeat(103)}`],
    says: `/tmp/${'x'.repeat(103)}: a socket's path has at most 107 bytes, and this one 108\n`,
    status: 1,
  },
  {
    input: 'a deleted working folder',
    files: {},
    words: ['serve'],
    says: 'error FOLDER_GONE: the working folder is gone: ENOENT\n',
    status: 1,
    with: 'gone',
  },
  {
    input: 'control bytes in a dump',
    files: { 'evil.txt': '01:00.0 Network controller\n00: \x1b]0;owned\x07\n' },
    words: ['demo', 'evil.txt'],
    says: '"00: \\x1b]0;owned\\x07" is not a row of 16 bytes in hexadecimal\n',
    status: 1,
    never: '\x1b',
  },
  {
    input: 'control bytes in the name of a file',
    files: {},
    words: ['demo', '\x1b[2Jnone.txt'],
    says: 'error FILE_UNREADABLE: FOLDER/\\x1b[2Jnone.txt cannot be read: ',
    status: 1,
    never: '\x1b',
  },
  {
    input: 'a FIFO as dump',
    files: { 'dump.txt': FIFO },
    words: ['demo', 'dump.txt'],
    says: 'error FILE_UNREADABLE: FOLDER/dump.txt cannot be read: it is a FIFO, not a file\n',
    status: 1,
  },
  {
    input: 'a quirk to unload that is not loaded',
    files: {},
    words: ['quirk', 'unload', 'acme/nik'],
    says: 'error QUIRK_UNKNOWN: no quirk "acme/nik" is loaded.\n  next: `pciback quirk list` shows the quirks that are loaded, by name, and the file that each is from.\n',
    status: 1,
    with: 'serve',
    never: 'npm install',
  },
  {
    input: 'the same, by its file',
    files: {},
    words: ['quirk', 'unload', './nic.json'],
    says: 'error QUIRK_UNKNOWN: no loaded quirk is from FOLDER/nic.json.\n',
    status: 1,
    with: 'serve',
  },
  {
    input: 'a plugin that is not there',
    files: rc({ plugins: ['acme/nik'] }),
    words: ['serve'],
    says: 'error PLUGIN_UNKNOWN: FOLDER/pciback.config.json: plugins[0]: there is no plugin "acme/nik".',
    status: 1,
    never: 'npm install acme/nik',
  },
];

const pluginFile = (body: string): string =>
  `export default { kind: 'plugin', name: 'acme/policy', version: '1.0.0', api: '^1.0',\n${body} };`;
const pluginRow = (input: string, text: string, says: string, name = 'p.mjs'): BadInput => ({
  input,
  files: { ...rc({ plugins: [`./${name}`] }), [name]: text },
  words: ['serve'],
  says,
  status: 1,
});
const quirkRow = (input: string, definition: string, says: string): BadInput => ({
  input,
  files: {
    ...rc({ quirks: ['q.mjs'] }),
    'q.mjs': `import { defineQuirk } from 'pciback/quirk';\nexport default defineQuirk(${definition});`,
  },
  words: ['serve'],
  says: `error QUIRK_INVALID: quirk ${says}\n`,
  status: 1,
});
const jsonQuirk = (input: string, text: string, says: string): BadInput => ({
  input,
  files: { ...rc({ quirks: ['nic.json'] }), 'nic.json': text },
  words: ['serve'],
  says: `error QUIRK_INVALID: quirk FOLDER/nic.json${says}\n`,
  status: 1,
});
const applied = (why: string): string => `error PLUGIN_APPLY: plugin acme/policy failed while it was applied: ${why}`;

const plugins: readonly BadInput[] = [
  pluginRow(
    'a plugin that throws in apply',
    pluginFile('apply() {\n  throw new Error("no licence");\n}'),
    applied('no licence (FOLDER/p.mjs:3)\n'),
  ),
  ...[
    ['a plugin that ends the process', 'process.exit(0);'],
    ['a plugin that ends it in apply', pluginFile('apply() { process.exit(0); }')],
  ].map(([input = '', text = '']) =>
    pluginRow(
      input,
      text,
      'error PLUGIN_LOAD: plugin ./p.mjs cannot be loaded: the process was ended meanwhile, as by process.exit in its code\n',
    ),
  ),
  ...[
    ['a plugin that loops while it is loaded', '\nfor (;;);'],
    ['a plugin that loops in apply', pluginFile('apply() { for (;;); }')],
  ].map(([input = '', text = '']) =>
    pluginRow(
      input,
      text,
      'error PLUGIN_LOAD: plugin ./p.mjs cannot be loaded: the control loop stands still for 20 s, in plugin ./p.mjs, FOLDER/p.mjs:2\n',
    ),
  ),
  pluginRow(
    'a plugin that waits for ever while it is loaded',
    'await new Promise(() => {});',
    'error PLUGIN_LOAD: plugin ./p.mjs cannot be loaded: its code did not come to its end in 20 s\n',
  ),
  pluginRow(
    'an unknown hook',
    pluginFile('apply(host) { host.hooks.deviceSiezed.tap(() => {}); }'),
    applied('there is no hook "deviceSiezed". Perhaps you meant "deviceSeized". Known: '),
  ),
  pluginRow(
    'an unknown kind of thing',
    pluginFile('apply(host) { host.slot.add("x", {}); }'),
    applied('there is no kind of thing "slot". Perhaps you meant "slots". Known: '),
  ),
  pluginRow(
    'an order in a circle',
    pluginFile(
      'apply(host) { const { tap } = host.hooks.deviceSeized; tap({ name: "a", before: "b" }, () => {}); tap({ name: "b", before: "a" }, () => {}); }',
    ),
    'error HOOK_CYCLE: the order in deviceSeized is a circle, each before the next: ',
  ),
  pluginRow(
    'a slip in a plugin',
    'export default {\n  apply( {\n}',
    'error PLUGIN_LOAD: plugin ./p.mjs cannot be loaded: ',
  ),
  pluginRow(
    'the same in what it imports',
    'import "./lib.mjs";\nexport default 1;',
    'error PLUGIN_LOAD: plugin ./p.mjs cannot be loaded: Cannot find module',
  ),
  pluginRow(
    'a plugin with `options: {}`',
    pluginFile('options: {}, apply() {}'),
    'error PLUGIN_LOAD: plugin acme/policy cannot be loaded: its options are no schema: leave `options` out, or give a zod schema, `z.strictObject({ … })`\n',
  ),
  pluginRow('a FIFO as plugin', FIFO, 'error PLUGIN_LOAD: plugin ./p.mjs cannot be loaded: it is a FIFO, not a file\n'),
  quirkRow(
    'a quirk without a source',
    '{ name: "acme/nic", match: [{ vendor: 1 }], fields: [] }',
    'acme/nic: source: say where the facts come from',
  ),
  quirkRow(
    'a quirk without a name',
    '{ source: "x", match: [{ vendor: 1 }], fields: [] }',
    'undefined: name: use lower-case words: vendor/family',
  ),
  quirkRow(
    'a quirk whose match is no list',
    '{ name: "acme/nic", source: "x", match: { vendor: 1 }, fields: [] }',
    'acme/nic: match: name at least one device: [{ vendor, device }]',
  ),
  jsonQuirk(
    'an offset in a JSON quirk that is none',
    '{"name":"acme/nic","source":"x","match":[{"vendor":"1234"}],"fields":[{"offset":"1000","width":8,"name":"r","writable":"1"}]}',
    ' (acme/nic): fields[0] (r): offset 4096 is outside of config space',
  ),
  jsonQuirk(
    'a key twice in a JSON quirk',
    '{"name":"acme/nic",\n"name":"acme/two"}',
    ': the file: line 2 column 1: the key "name" is there twice, first in line 1 column 2',
  ),
];

/** What was found weak once. */
export const badInputs: readonly BadInput[] = [...rcFiles, ...values, ...commandLines, ...plugins];

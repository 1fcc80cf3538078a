// SPDX-License-Identifier: MIT

import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { build, dist, run, start, unfolded } from './built.ts';
import { dumpOf, makePlaces, plugin, rc } from './places.ts';

// Each test starts Node anew, some at the same time, on machines that have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const place = makePlaces();
beforeAll(build, 180_000);

describe.concurrent('help and version', () => {
  it.each([
    [['--help'], /serve.*demo.*doctor/s],
    [['serve', '--help'], /--platform.*--config.*--slots.*--interrupts.*--native.*--json.*--log-level/s],
    [['demo', '--help'], /\[dump\.\.\.\].*--json/s],
    [['doctor', '--help'], /--platform.*--json/s],
    [['help', 'serve'], /--platform/],
    [['help', 'help'], /serve.*demo.*doctor/s],
    [['-h'], /serve.*demo.*doctor/s],
    [['serve', '-h'], /--platform/],
  ])('%j', async (words, text) => {
    const { status, out, err } = await run(words, place());
    expect(out).toMatch(text);
    expect({ status, err }).toEqual({ status: 0, err: '' });
  });

  it('the version is the package’s', async () => {
    const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../../package.json'), 'utf8')) as {
      version: string;
    };
    expect((await run(['--version'], place())).out).toBe(`${version}\n`);
  });

  it('nothing at all shows the help, as an error', async () => {
    const { status, out, err } = await run([], place());
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain('Usage: pciback');
  });
});

describe.concurrent('a wrong command line', () => {
  it.each([
    [['serv'], /unknown command 'serv'.*"serve"/],
    [['serve', '--slot', 'x'], /unknown option '--slot'.*"--slots"/],
    [['--jsn'], /unknown option '--jsn'/],
    [['serve', 'now'], /too many arguments/],
    [['serve', '--platform'], /argument missing/],
    [['serve', '--log-level', 'loud'], /debug, info, warn, error/],
    [['serve', '--log-level', 'wran'], /Perhaps you meant "warn"/],
    [['serve', '--fields=kernl'], /Perhaps you meant "kernel"/],
  ])('%j', async (words, text) => {
    const { status, out, err } = await run(words, place());
    expect(err).toMatch(text);
    expect(err).toMatch(/^error USAGE: .*\n {2}next: See pciback --help\.\n$/s);
    expect({ status, out }).toEqual({ status: 2, out: '' });
  });
});

describe.concurrent('bad input ends with an error that names it and the next step, and nothing starts', () => {
  const bundledApi = plugin('old', '').replace('^1.0', '^0.9');
  it.each<[string, Record<string, string>, string[], string, RegExp]>([
    ['an unknown key', rc({ slot: 'vpci' }), ['serve'], 'CONFIG_INVALID', /pciback\.config\.json: slot: .*"slots"/],
    ['an rc file that is no JSON', { 'pciback.config.json': '{' }, ['serve'], 'CONFIG_UNREADABLE', /pciback\.config/],
    ['no such rc file', {}, ['serve', '--config', 'no.yaml'], 'CONFIG_UNREADABLE', /no\.yaml/],
    [
      'an unknown plugin',
      rc({ plugins: ['fields/pwoer'] }),
      ['serve'],
      'PLUGIN_UNKNOWN',
      /plugins\[0\].*"fields\/power"/,
    ],
    ['an unknown plugin, in demo', rc({ plugins: ['./no.mjs'] }), ['demo'], 'PLUGIN_UNKNOWN', /no\.mjs/],
    [
      'a wrong API range',
      { ...rc({ plugins: ['./old.mjs'] }), 'old.mjs': bundledApi },
      ['serve'],
      'PLUGIN_API',
      /\^0\.9/,
    ],
    [
      'options without a schema',
      rc({ plugins: [['fields/power', { x: 1 }]] }),
      ['serve'],
      'PLUGIN_OPTIONS',
      /fields\/power/,
    ],
    ['an address that does not parse', rc({ hide: ['03:zz.0'] }), ['serve'], 'CONFIG_INVALID', /hide\[0\].*"03:zz\.0"/],
    ['an address that is not there', rc({ hide: ['7fff:00:00.0'] }), ['serve'], 'DEVICE_NOT_FOUND', /7fff:00:00\.0/],
    ['an unknown platform', {}, ['serve', '--platform', 'embeded'], 'CHOICE_UNKNOWN', /"embedded"/],
    ['an unknown slot mapper', {}, ['serve', '--slots', 'vpc'], 'CHOICE_UNKNOWN', /"vpci"/],
    ['an unknown policy', {}, ['serve', '--interrupts', 'strct'], 'CHOICE_UNKNOWN', /"strict"/],
    ['no such dump', {}, ['demo', 'no.txt'], 'FILE_UNREADABLE', /no\.txt/],
    ['a dump that is cut short', { 'cut.txt': dumpOf(80) }, ['demo', 'cut.txt'], 'DUMP_INVALID', /cut\.txt, line \d/],
  ])('%s', async (_what, files, words, code, text) => {
    const { status, out, err } = await run(words, place(files));
    expect(err).toMatch(new RegExp(`^error ${code}: .+\n {2}next: .{10,}\n$`, 's'));
    expect(err).toMatch(text);
    expect({ status, out }).toEqual({ status: 1, out: '' });
  });

  it('a quirk over a field names both', async () => {
    const quirk = {
      name: 'acme/nic',
      source: 'a wish',
      match: [{ vendor: '8086' }],
      fields: [{ offset: '0x04', width: 16, name: 'command', writable: '0x0002' }],
    };
    const directory = place({ ...rc({ quirks: ['nic.json'] }), 'nic.json': JSON.stringify(quirk) });
    const { status, err } = await run(['demo'], directory);
    expect(err).toMatch(/^error FIELD_OVERLAP: acme\/nic: .*command and fields\/header: .*command/);
    expect(status).toBe(1);
  });

  it('with --json as one JSON object', async () => {
    const { status, out, err } = await run(['serve', '--json'], place(rc({ slot: 'x' })));
    expect(JSON.parse(err)).toEqual({
      error: {
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('slot'),
        next: expect.any(String),
        facts: expect.objectContaining({ key: 'slot', nearest: 'slots' }),
      },
    });
    expect({ status, out }).toEqual({ status: 1, out: '' });
  });

  it.skipIf(existsSync('/dev/xen/evtchn'))('no Xen', async () => {
    const { status, err } = await run(['serve', '--platform', 'xen'], place());
    expect(err).toMatch(/^error (PLATFORM_UNAVAILABLE|NATIVE_UNAVAILABLE): .*\n {2}next: /);
    expect(status).toBe(1);
  });
});

describe.concurrent('what plugins of the rc file bring', () => {
  const hello = plugin(
    'acme/hello',
    `host.commands.add({
       name: 'hello', summary: 'greets', arguments: [{ name: '<who>', description: 'whom' }],
       options: [{ flags: '--loud', description: 'loudly' }],
       run: async ({ options, arguments: [who], print }) => {
         if (who === 'nobody') throw new TypeError('nobody is there');
         print((options.loud ? 'HELLO ' : 'hello ') + who);
         return 3;
       },
     });`,
  );
  const files = { ...rc({ plugins: ['./hello.mjs'] }), 'hello.mjs': hello };

  it('commands', async () => {
    const directory = place(files);
    expect(await run(['hello', 'world', '--loud'], directory)).toEqual({ status: 3, out: 'HELLO world\n', err: '' });
    expect((await run(['hello', '--help'], directory)).out).toMatch(/greets.*--loud/s);
    expect((await run(['hello'], directory)).status).toBe(2);
  });

  it('which the help lists, and which get the configuration, the plugins and the control client', async () => {
    const look = plugin(
      'acme/look',
      `host.parts.add('rocket', { about: 'flies', options: z.strictObject({ fuel: z.number().optional() }).optional() });
       host.commands.add({
         name: 'look', summary: 'looks around', options: [{ flags: '--control <path>', description: 'socket' }],
         run: async ({ config, plugins, control, print }) => {
           print((await config()).config.slots);
           print((await plugins()).registries.platforms.names.join(' '));
           print(String(await (await control()).ask('status', {})));
           return 0;
         },
       });`,
      `import { z } from 'zod';`,
    );
    const settings = rc({ plugins: ['./look.mjs'], slots: 'passthrough', rocket: { fuel: 3 } });
    const directory = place({ ...settings, 'look.mjs': look });
    const { status, out, err } = await run(['look', '--control', 'no.sock'], directory);
    expect({ status, out, err }).toEqual({
      status: 0,
      out: 'passthrough\nembedded xen vfio-user\nundefined\n',
      err: '',
    });
    expect((await run(['--help'], directory)).out).toMatch(/serve.*look \[options\] +looks around/s);
    const broken = place({ ...rc({ plugins: ['./look.mjs'], rocket: { fule: 3 } }), 'look.mjs': look });
    const help = await run(['--help'], broken);
    expect(help.out).toMatch(/serve.*^Commands of plugins are not shown: .*rocket\.fule: .*"fuel"\.$/ms);
    expect({ status: help.status, err: help.err }).toEqual({ status: 0, err: '' });
  });

  it('platforms with options, and their own findings for doctor', async () => {
    const moon = plugin(
      'acme/moon',
      `host.platforms.add('moon', {
         about: 'far away',
         options: z.strictObject({ crew: z.number().default(2) }).prefault({}),
         create: async ({ options, directory }) => { throw new Error('crew ' + options.crew + ' of ' + directory); },
         diagnose: async ({ loaders }) => [{ what: 'air', verdict: 'missing', detail: loaders.length + ' loaders', next: 'Take some.' }],
       });`,
      `import { z } from 'zod';`,
    );
    const directory = place({
      ...rc({ plugins: ['./moon.mjs'], platform: 'moon', moon: { crew: 3 } }),
      'moon.mjs': moon,
    });
    expect((await run(['serve'], directory)).err).toContain(`Error: crew 3 of ${directory}`);
    const doctor = await run(['doctor', '--platform', 'moon'], directory);
    expect(doctor.out).toMatch(/platform moon\n +missing +air: 2 loaders\n +→ Take some\./);
    expect(doctor.out).toMatch(/missing +serve on platform moon: crew 3 of /);
    expect(doctor.out).toMatch(/platform moon is not usable/);
    expect(doctor.status).toBe(1);
    const embedded = await run(['doctor', '--platform', 'embedded'], directory);
    expect(embedded.out).toMatch(/warning +air: 2 loaders/);
    expect(embedded.status).toBe(0);
  });

  it('and a defect in one is shown with its stack', async () => {
    const { status, err } = await run(['hello', 'nobody'], place(files));
    expect(err).toMatch(/TypeError: nobody is there\n {4}at .*next: .*report/s);
    expect(status).toBe(70);
  });
});

describe.concurrent('doctor', () => {
  it('finds the embedded platform usable', async () => {
    const { status, out } = await run(['doctor'], place());
    expect(out).toMatch(/ok +rc file: none found/);
    expect(out).toMatch(/ok +included guest: a sample device was scanned/);
    expect(out).toMatch(/platform embedded is usable\n$/);
    expect(status).toBe(0);
  });

  it('says what is wrong with the rc file and goes on', async () => {
    const { status, out } = await run(['doctor'], place(rc({ slot: 'x' })));
    expect(unfolded(out)).toMatch(/missing +rc file, what it says to plugins: .*slot.*\n +→ Correct the file/);
    // A word that is longer, the path of the rc file, say, is not cut.
    for (const line of out.split('\n')) if (/\S \S/.test(line.slice(80))) expect.fail(`wider than 80 columns: ${line}`);
    expect(out).toMatch(/ok +included guest: a sample device was scanned/);
    expect(out).toMatch(/platform embedded is not usable/);
    expect(status).toBe(1);
  });

  it.skipIf(existsSync('/dev/xen/evtchn'))('finds platform xen not usable where there is no Xen', async () => {
    const { status, out } = await run(['doctor', '--platform', 'xen', '--json'], place());
    expect(JSON.parse(out)).toMatchObject({
      platform: 'xen',
      usable: false,
      checks: expect.arrayContaining([expect.objectContaining({ what: '/dev/xen/evtchn', verdict: 'missing' })]),
    });
    expect(status).toBe(1);
  });
});

describe.concurrent('serve', () => {
  const samples = { embedded: { devices: ['samples'] }, control: 'control.sock' };

  it('serves until SIGTERM, then lets go of everything in order', async () => {
    const serving = start(['serve', '--json'], place(rc(samples)));
    await serving.printed('"included guest is up"');
    serving.signal('SIGTERM');
    const { status, out, err } = await serving.end;
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const messages = lines.map(({ msg }) => msg);
    const back = lines.filter((line) => line.msg === 'guest state' && line.end === 'back').map((line) => line.to);
    expect(messages.slice(0, 2)).toEqual(['control socket open', 'ready']);
    expect(lines[1]).toMatchObject({ platform: 'embedded', slots: 'vpci', interrupts: 'strict' });
    expect(back).toEqual(['InitWait', 'Initialised', 'Connected', 'Closing', 'Closed']);
    expect(messages.filter((message) => message === 'device returned')).toHaveLength(9);
    expect(messages.indexOf('guest disconnected')).toBeLessThan(messages.indexOf('device returned'));
    expect(lines.at(-1)).toMatchObject({ msg: 'stopped', mapped: 0, bound: 0, pirqs: 0 });
    expect({ status, err }).toEqual({ status: 0, err: '' });
  });

  it('writes lines for people', async () => {
    const serving = start(['serve', '--log-level', 'info'], place(rc(samples)));
    await serving.printed('included guest is up');
    serving.signal('SIGINT');
    const { status, out } = await serving.end;
    expect(out).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}ready platform=embedded slots=vpci .*$/m);
    expect(status).toBe(0);
  });

  it('ends at once on a second signal', async () => {
    const stuck = plugin('acme/stuck', `host.hooks.deviceReturned.tap(() => new Promise(() => {}));`);
    const directory = place({ ...rc({ ...samples, plugins: ['./stuck.mjs'] }), 'stuck.mjs': stuck });
    const serving = start(['serve'], directory);
    await serving.printed('included guest is up');
    serving.signal('SIGTERM');
    await serving.printed('guest disconnected');
    serving.signal('SIGTERM');
    expect((await serving.end).status).toBe(1);
  });

  it('ends with an error when the store is lost', async () => {
    const fragile = plugin(
      'acme/fragile',
      `host.platforms.add('fragile', async () => {
         const platform = createEmbeddedPlatform({ devices: [] });
         const lost = new Promise((resolve) => process.once('SIGUSR2', () => resolve(problem('STORE_LOST', { why: 'gone' }))));
         const xenstore = new Proxy(platform.xenstore, {
           get: (store, key) => (key === 'lost' ? lost : typeof store[key] === 'function' ? store[key].bind(store) : store[key]),
         });
         return { ...platform, name: 'fragile', xenstore };
       });`,
      `import { createEmbeddedPlatform } from '${dist}/plugins/platforms/embedded/index.js';
       import { problem } from '${dist}/core/errors/index.js';`,
    );
    const directory = place({
      ...rc({ plugins: ['./fragile.mjs'], platform: 'fragile', control: false }),
      'fragile.mjs': fragile,
    });
    const serving = start(['serve'], directory);
    await serving.printed('ready platform=fragile');
    serving.signal('SIGUSR2');
    const { status, err } = await serving.end;
    expect(err).toMatch(/^error STORE_LOST: the connection to xenstore is lost: gone\n {2}next: /);
    expect(status).toBe(1);
  });
});

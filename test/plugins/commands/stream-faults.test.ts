// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type StreamFault, streamFaults } from '../../kit/stream-faults.ts';
import { build, dist } from './built.ts';
import { type Daemon, serve, shell, until } from './daemon.ts';
import { makePlaces, plugin, rc } from './places.ts';

vi.setConfig({ testTimeout: 60_000 });

const place = makePlaces();

beforeAll(build, 180_000);

const config = { embedded: { devices: ['samples'] }, control: 'control.sock' };
const alone = () => place(rc(config));

/** What a command said, and how it ended. */
interface Seen {
  readonly said: string;
  readonly status: number;
}

const ended = async (daemon: Daemon): Promise<Seen> => {
  daemon.signal('SIGTERM');
  return daemon.end;
};

/** What `serve` does when this was done to it; it has to serve on. */
const servesOn = async (daemon: Daemon, fault: () => unknown): Promise<Seen> => {
  await daemon.serves();
  await fault();
  await daemon.serves();
  return ended(daemon);
};

/** The first time a device is given back, it takes for ever. */
const stuck = plugin(
  'acme/stuck',
  `let first = true;
   host.hooks.deviceReturned.tap(() => { if (first) { first = false; return new Promise(() => {}); } });`,
);
const withStuck = (more: object) =>
  place({ ...rc({ ...config, ...more, plugins: ['./stuck.mjs'] }), 'stuck.mjs': stuck });

/** A host whose store answers until SIGUSR2. */
const mute = plugin(
  'acme/mute',
  `host.platforms.add('mute', async () => {
     const platform = createEmbeddedPlatform({ devices: samples() });
     let answers = true;
     process.on('SIGUSR2', () => { answers = false; });
     const xenstore = new Proxy(platform.xenstore, {
       get: (store, key) => typeof store[key] !== 'function' ? store[key]
         : (...words) => (answers ? store[key](...words) : new Promise(() => {})),
     });
     return { ...platform, xenstore };
   });`,
  `import { createEmbeddedPlatform } from '${dist}/plugins/platforms/embedded/index.js';
   import { samples } from '${dist}/plugins/platforms/embedded/sources.js';`,
);

/** Logs as many lines as it is asked for by a file, and says in another one how much waits for a reader then. */
const chatty = plugin(
  'acme/chatty',
  `const here = (name) => new URL(name, import.meta.url);
   let done = false;
   setInterval(() => {
     if (done || !existsSync(here('./talk'))) return;
     const most = Number(readFileSync(here('./talk'), 'utf8'));
     if (most === 0) return;
     done = true;
     for (let line = 0; line < most; line++) host.log.info({ line, text: 'x'.repeat(100) }, 'said');
     writeFileSync(here('./waits'), String(process.stdout.writableLength));
   }, 20).unref();`,
  `import { existsSync, readFileSync, writeFileSync } from 'node:fs';`,
);
const withChatty = () => place({ ...rc({ ...config, plugins: ['./chatty.mjs'] }), 'chatty.mjs': chatty });
const chat = async (directory: string, lines: number): Promise<number> => {
  writeFileSync(join(directory, 'talk'), String(lines));
  const waits = (): string => {
    const file = join(directory, 'waits');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  await until('it says how much waits', () => waits() !== '');
  return Number(waits());
};

/** Writes the rc file anew, and has it read. */
const reloaded = async (more: object, answer: string): Promise<Seen> => {
  const directory = alone();
  const daemon = serve(directory);
  await daemon.serves();
  const field = { offset: '0x60', width: 16, name: 'a register', writable: '0x00ff' };
  writeFileSync(
    join(directory, 'nic.json'),
    JSON.stringify({ name: 'acme/nic', source: 'x', match: [{ vendor: '8086', device: '10d3' }], fields: [field] }),
  );
  writeFileSync(join(directory, 'pciback.config.json'), JSON.stringify({ ...config, ...more }));
  daemon.signal('SIGHUP');
  await daemon.printed(answer);
  await daemon.serves();
  return ended(daemon);
};

const daemons: Readonly<Record<string, () => Promise<Seen>>> = {
  SIGTERM: () => servesOn(serve(alone()), () => undefined),
  SIGINT: async () => {
    const daemon = serve(alone());
    await daemon.serves();
    daemon.signal('SIGINT');
    return daemon.end;
  },
  'SIGTERM twice, a hook hangs': async () => {
    const daemon = serve(withStuck({}));
    await daemon.serves();
    daemon.signal('SIGTERM');
    await daemon.printed('guest disconnected');
    return ended(daemon);
  },
  'SIGTERM, a hook hangs': () => servesOn(serve(withStuck({ deadlines: { deviceReturned: 0.2 } })), () => undefined),
  'SIGTERM, and it takes longer than `shutdownSeconds` and `deadlines.stop`': () =>
    servesOn(serve(withStuck({ shutdownSeconds: 0.2, deadlines: { stop: 0.3 } })), () => undefined),
  'SIGTERM, xenstore does not answer': async () => {
    const more = { platform: 'mute', plugins: ['./mute.mjs'], deadlines: { store: 0.3 } };
    const daemon = serve(place({ ...rc({ control: 'control.sock', ...more }), 'mute.mjs': mute }));
    await daemon.printed('guest is up');
    const seen = await servesOn(daemon, () => daemon.signal('SIGUSR2'));
    expect(seen.said.match(/ device returned /g)).toHaveLength(9);
    expect(seen.said).toMatch(/ xenstore is given up operation=\w+ path=/);
    return seen;
  },
  SIGKILL: async () => {
    const directory = alone();
    const first = serve(directory);
    await first.serves();
    first.signal('SIGKILL');
    const { status } = await first.end;
    expect((await servesOn(serve(directory), () => undefined)).status).toBe(0);
    return { said: '', status };
  },
  SIGPIPE: () => {
    const daemon = serve(alone());
    return servesOn(daemon, () => daemon.signal('SIGPIPE'));
  },
  SIGHUP: () => reloaded({}, 'reloaded keys'),
  'SIGHUP, the rc file says something else': () =>
    reloaded({ log: { level: 'debug' }, quirks: ['nic.json'] }, 'reloaded keys'),
  'SIGHUP, a key cannot change in place': () => reloaded({ slots: 'passthrough', fields: 'kernel' }, 'not reloaded'),
  'SIGHUP, the rc file is wrong': () => reloaded({ slot: 'vpci', log: { level: 'loud' } }, 'not reloaded'),
  'the terminal is closed': async () => {
    const directory = alone();
    const daemon = serve(directory, { through: 'terminal' });
    await daemon.serves();
    daemon.closeTerminal();
    await daemon.serves();
    await daemon.reload();
    return ended(daemon);
  },
  'stdout: its reader goes (EPIPE)': () => {
    const daemon = serve(alone());
    return servesOn(daemon, async () => {
      daemon.closeOutput();
      for (let turn = 0; turn < 3; turn++) await daemon.reload();
    });
  },
  'stdout: its reader goes and another comes': async () => {
    const directory = alone();
    const daemon = serve(directory, { through: 'fifo' });
    await daemon.serves();
    await daemon.printed('guest is up');
    daemon.closeOutput();
    for (let turn = 0; turn < 3; turn++) await daemon.reload();
    await daemon.readAgain();
    await daemon.reload();
    await daemon.printed('lines were not written lines=3 why=EPIPE');
    return ended(daemon);
  },
  'stdout: the disk is full (ENOSPC)': () => {
    const daemon = serve(alone(), { through: 'full' });
    return servesOn(daemon, () => daemon.reload());
  },
  'stdout: no room, then room again': async () => {
    const directory = withChatty();
    const daemon = serve(directory, { through: 'small file' });
    await daemon.serves();
    await until('it is up', () => readFileSync(join(directory, 'out'), 'utf8').includes('guest is up'));
    await chat(directory, 2000);
    const before = readFileSync(join(directory, 'out'), 'utf8');
    expect(before.length).toBe(64 * 1024);
    truncateSync(join(directory, 'out'));
    const seen = await servesOn(daemon, () => undefined);
    // Each line is there, or counted.
    const there = [...`${before}${seen.said}`.matchAll(/ said .*x\n/g)].length;
    expect(there + Number(/not written lines=(\d+) why=EFBIG/.exec(seen.said)?.[1])).toBe(2000);
    expect(seen.said).not.toMatch(/x\d\d:\d\d:\d\d/);
    return seen;
  },
  'stdout: nobody reads, then somebody does': async () => {
    const directory = withChatty();
    const daemon = serve(directory);
    await daemon.serves();
    await daemon.printed('guest is up');
    daemon.stopReading();
    const waits = await chat(directory, 30_000);
    expect(waits).toBeLessThanOrEqual(2 ** 20);
    await daemon.serves();
    daemon.goOnReading();
    await daemon.printed('lines were not written');
    const seen = await ended(daemon);
    const there = [...seen.said.matchAll(/ said .*x\n/g)].length;
    expect(there + Number(/not written lines=(\d+) why="nobody/.exec(seen.said)?.[1])).toBe(30_000);
    return seen;
  },
  'stderr: its reader goes (EPIPE)': () => {
    const daemon = serve(alone());
    return servesOn(daemon, () => daemon.closeErrors());
  },
  'stdin, stdout and stderr are closed': () => {
    const directory = alone();
    const daemon = serve(directory, { through: 'closed' });
    return servesOn(daemon, async () => {
      await daemon.reload();
      for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${daemon.pid()}/fd/${fd}`)).toBe('/dev/null');
      for (const name of readdirSync(directory)) {
        if (statSync(join(directory, name)).isFile()) {
          expect(readFileSync(join(directory, name), 'utf8')).not.toMatch(/ info {2}/);
        }
      }
    });
  },
};

const words = (command: string): string => (command === 'status' ? 'status --control control.sock' : command);

/** Runs a command with its output led elsewhere; one that asks a running pciback has one. */
const ran = async (command: string, more: string): Promise<Seen> => {
  const directory = alone();
  const daemon = command === 'status' ? serve(directory) : undefined;
  await daemon?.serves();
  const seen = await shell(directory, `${words(command)} ${more}`);
  if (daemon !== undefined) expect((await ended(daemon)).status).toBe(0);
  return seen;
};

const commands: Readonly<Record<string, (command: string) => Promise<Seen>>> = {
  'stdout: the disk is full (ENOSPC)': (command) => ran(command, '>/dev/full'),
  // It has gone before the first byte is written.
  'stdout: its reader goes (EPIPE)': (command) => ran(command, `| true; exit \${PIPESTATUS[0]}`),
  'stdout: its reader is slow': async (command) => {
    const whole = await shell(alone(), `${words(command)} --json`);
    const slow = await shell(alone(), `${words(command)} --json | (sleep 0.5; cat); exit \${PIPESTATUS[0]}`);
    expect(slow.said.split('\n').length).toBe(whole.said.split('\n').length);
    return slow;
  },
  'stderr: the disk is full (ENOSPC)': (command) => shell(alone(), `${words(command)} 2>/dev/full`),
  'stdin, stdout and stderr are closed': (command) => shell(alone(), `${words(command)} <&- >&- 2>&-`),
  SIGTERM: (command) => shell(alone(), `${words(command)} & kill -TERM $!; wait $!`),
  SIGHUP: (command) => shell(alone(), `${words(command)} & kill -HUP $!; wait $!`),
};

const titles = streamFaults.map((row) => [row.command, row.fault, row] as const);

describe.concurrent('signals and faults of the standard streams (docs/reference/streams.md)', () => {
  it.each(titles)('%s, %s', async (command, fault, row: StreamFault) => {
    const run = command === 'serve' ? daemons[fault] : commands[fault];
    if (run === undefined) throw new Error('no test does this');
    const { said, status } = await run(command);
    expect(said).toContain(row.line ?? '');
    expect(status).toBe(row.status);
  });

  it('has a row for everything that is tested', () => {
    const rows = (which: boolean) => streamFaults.filter(({ command }) => (command === 'serve') === which);
    expect(new Set(rows(true).map(({ fault }) => fault))).toEqual(new Set(Object.keys(daemons)));
    expect(new Set(rows(false).map(({ fault }) => fault))).toEqual(new Set(Object.keys(commands)));
  });
});

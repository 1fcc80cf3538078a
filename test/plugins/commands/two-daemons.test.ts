// SPDX-License-Identifier: MIT

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { build, dist, type Running, run, start } from './built.ts';
import { makePlaces, plugin, rc } from './places.ts';

vi.setConfig({ testTimeout: 60_000 });

const place = makePlaces();

beforeAll(build, 180_000);

/** A host with a lock of its own; what opens it and what resets a device in it are written down. */
const shelf = plugin(
  'acme/shelf',
  `host.platforms.add('shelf', {
     about: 'The embedded platform, as a host that has one lock.',
     lock: ({ directory }) => directory + '/node',
     create: async () => {
       note('opened');
       return { ...createEmbeddedPlatform({ devices: samples() }), name: 'shelf' };
     },
   });
   host.hooks.resetDevice.tap(() => { note('reset'); return undefined; });`,
  `import { appendFileSync } from 'node:fs';
   import { createEmbeddedPlatform } from '${dist}/plugins/platforms/embedded/index.js';
   import { samples } from '${dist}/plugins/platforms/embedded/sources.js';
   const note = (what) => appendFileSync(new URL('./touched', import.meta.url), what + ' ' + process.pid + '\\n');`,
);

const files = {
  ...rc({ plugins: ['./shelf.mjs'], platform: 'shelf', hide: ['0000:01:00.0'], control: 'control.sock' }),
  'shelf.mjs': shelf,
  node: '',
};

/** Who touched what, a line each. */
const touched = (directory: string): string[] => {
  const file = join(directory, 'touched');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};

const ended = async (serving: Running): Promise<void> => {
  serving.signal('SIGTERM');
  expect((await serving.end).status).toBe(0);
};

describe.concurrent('two daemons of one host', () => {
  it('the second ends with an error that names the first, and has touched nothing', async () => {
    const directory = place(files);
    const first = start(['serve'], directory);
    await first.printed('ready platform=shelf');
    const before = touched(directory);
    const { status, out, err } = await run(['serve'], directory);
    const pid = /^opened (\d+)$/.exec(before[0] ?? '')?.[1];
    expect(err).toMatch(
      new RegExp(
        `^error HOST_LOCKED: another pciback serves this host, by the lock on ${directory}/node: process ${pid}, started 20\\S+Z, control socket ${directory}/control\\.sock\n  next: Nothing was touched\\.`,
      ),
    );
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(touched(directory)).toEqual(before);
    expect((await run(['status', '--control', 'control.sock'], directory)).status).toBe(0);
    await ended(first);
  });

  it('with another control socket and other settings it is the same', async () => {
    const directory = place(files);
    const first = start(['serve'], directory);
    await first.printed('ready platform=shelf');
    const before = touched(directory);
    const { status, err } = await run(['serve', '--control', 'other.sock', '--slots', 'passthrough'], directory);
    expect(err).toMatch(/^error HOST_LOCKED/);
    expect(status).toBe(1);
    expect(existsSync(join(directory, 'other.sock'))).toBe(false);
    expect(touched(directory)).toEqual(before);
    await ended(first);
  });

  it('started in one moment, one serves and one has touched nothing', async () => {
    const directory = place(files);
    const both = [start(['serve'], directory), start(['serve'], directory)];
    const loser = await Promise.race(both.map(async (one) => ({ one, ...(await one.end) })));
    expect(loser.err).toMatch(/^error HOST_LOCKED/);
    const winner = both.find((one) => one !== loser.one) as Running;
    await winner.printed('ready platform=shelf');
    expect(new Set(touched(directory).map((line) => line.split(' ')[1])).size).toBe(1);
    await ended(winner);
  });

  it('after kill -9 of the first, and after its end, the next one serves', async () => {
    const directory = place(files);
    const first = start(['serve'], directory);
    await first.printed('ready platform=shelf');
    first.signal('SIGKILL');
    await first.end;
    const second = start(['serve'], directory);
    await second.printed('ready platform=shelf');
    await ended(second);
    const third = start(['serve'], directory);
    await third.printed('ready platform=shelf');
    await ended(third);
    expect(existsSync(join(directory, 'node.owner'))).toBe(false);
  });
});

describe.concurrent('two daemons on the embedded platform, where the socket is all that they share', () => {
  const embedded = rc({ embedded: { devices: ['samples'] }, control: 'control.sock' });

  it('the second does not start, and the socket stays the first one’s', async () => {
    const directory = place(embedded);
    const first = start(['serve'], directory);
    await first.printed('included guest is up');
    const { status, out, err } = await run(['serve'], directory);
    expect(err).toMatch(/^error CONTROL_SOCKET: .*control\.sock: another pciback listens there\n {2}next: /);
    expect(out).not.toMatch(/ready|guest/);
    expect(status).toBe(1);
    expect((await run(['status', '--control', 'control.sock'], directory)).status).toBe(0);
    await ended(first);
    expect(existsSync(join(directory, 'control.sock'))).toBe(false);
  });

  it('a file in the place of the socket is not removed', async () => {
    const directory = place({ ...embedded, 'control.sock': 'precious' });
    const { status, err } = await run(['serve'], directory);
    expect(err).toMatch(/^error CONTROL_SOCKET: .*control\.sock: there is a file at this path\n {2}next: Take away/);
    expect(status).toBe(1);
    expect(readFileSync(join(directory, 'control.sock'), 'utf8')).toBe('precious');
  });
});

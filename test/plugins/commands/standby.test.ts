// SPDX-License-Identifier: MIT

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { createLoader } from '../../../plugins/native/koffi/index.ts';
import { receiveAt } from '../supervisor/datagrams.ts';
import { build, dist, type Running, run, start } from './built.ts';
import { makePlaces, plugin, rc } from './places.ts';

const place = makePlaces();

vi.setConfig({ testTimeout: 90_000 });

beforeAll(build, 600_000);

/** A host with a lock of its own. */
const shelf = plugin(
  'acme/shelf',
  `host.platforms.add('shelf', {
     about: 'The embedded platform, as a host that has one lock.',
     lock: ({ directory }) => directory + '/node',
     create: async () => ({ ...createEmbeddedPlatform({ devices: samples() }), name: 'shelf' }),
   });`,
  `import { createEmbeddedPlatform } from '${dist}/plugins/platforms/embedded/index.js';
   import { samples } from '${dist}/plugins/platforms/embedded/sources.js';`,
);

const config = { plugins: ['./shelf.mjs'], platform: 'shelf', control: 'control.sock' };
const main = join(dist, 'plugins/commands/main.js');
const files = {
  ...rc(config),
  'shelf.mjs': shelf,
  node: '',
};

const SERVES = 'ready platform=shelf';
const WAITS = 'standby: waiting for the end of the one that serves';

const both = async (): Promise<{ directory: string; first: Running; second: Running }> => {
  const directory = place(files);
  const first = start(['serve'], directory);
  await first.printed(SERVES);
  const second = start(['serve', '--standby'], directory);
  await second.printed(WAITS);
  return { directory, first, second };
};

const ended = async (serving: Running): Promise<string> => {
  serving.signal('SIGTERM');
  const { status, out, err } = await serving.end;
  expect({ status, err }).toEqual({ status: 0, err: '' });
  return out;
};

describe('a second process that stands by', () => {
  it.each(['SIGKILL', 'SIGTERM'] as const)('serves when the first has ended by %s', async (signal) => {
    const { directory, first, second } = await both();
    first.signal(signal);
    await second.printed(SERVES);
    expect((await run(['status', '--control', 'control.sock'], directory)).status).toBe(0);
    const out = await ended(second);
    expect(out).toMatch(/standby: waiting[^\n]*\n[^\n]*standby: taking over/);
  });

  it('ends when it is told to, and the first serves on', async () => {
    const { directory, first, second } = await both();
    const out = await ended(second);
    expect(out).toContain('standby: ended');
    expect(out).not.toContain(SERVES);
    expect((await run(['status', '--control', 'control.sock'], directory)).status).toBe(0);
    await ended(first);
  });

  it('serves at once when nobody does', async () => {
    const only = start(['serve', '--standby'], place(files));
    await only.printed(SERVES);
    expect(await ended(only)).not.toContain(WAITS);
  });

  it('is refused where there is no lock to wait for', async () => {
    const directory = place(rc({ embedded: { devices: ['samples'] }, control: false }));
    const { status, out, err } = await run(['serve', '--standby'], directory);
    expect(err).toMatch(/^error USAGE: platform embedded has no lock that a second process could wait for\.\n/);
    expect({ status, out }).toEqual({ status: 2, out: '' });
  });
});

describe('upgrade', () => {
  it('is refused without a journal, and the running pciback serves on', async () => {
    const directory = place(files);
    const serving = start(['serve'], directory);
    await serving.printed(SERVES);
    const { status, out, err } = await run(['upgrade', '--control', 'control.sock'], directory);
    expect(err).toMatch(
      /^error UPGRADE_REFUSED: not upgraded: no journal is kept\n {2}next: The running pciback serves on/,
    );
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect((await run(['status', '--control', 'control.sock'], directory)).status).toBe(0);
    await ended(serving);
  });

  it('tells the supervisor which process serves, and of no end: it is that one from then on', async () => {
    const native = await createLoader();
    const directory = place({ ...files, ...rc({ ...config, journal: './journal' }) });
    const name = join(directory, 'notify');
    const receiver = receiveAt(native, name);
    // As systemd does it: signs of life are asked of the process that was started.
    const shell = spawn('/bin/sh', ['-c', 'WATCHDOG_PID=$$ exec "$0" "$1" serve', process.execPath, main], {
      cwd: directory,
      env: { ...process.env, NOTIFY_SOCKET: name, WATCHDOG_USEC: '600000' },
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => shell.once('exit', (status) => resolve(status)));
    await receiver.received(`MAINPID=${shell.pid}`);
    await receiver.received('WATCHDOG=1', 3);
    // A service manager reads all the time. For one that does not, see the tests of plugins/supervisor.
    const reading = setInterval(() => receiver.messages, 20);
    const upgraded = await run(['upgrade', '--control', 'control.sock'], directory);
    expect({ status: upgraded.status, err: upgraded.err }).toEqual({ status: 0, err: '' });
    const pid = Number(/process (\d+) serves/.exec(upgraded.out)?.[1]);
    expect(pid).not.toBe(shell.pid);
    await receiver.received(`MAINPID=${pid}`);
    expect(await ended).toBe(0);
    clearInterval(reading);
    const before = receiver.messages.length;
    expect(receiver.messages.join('\n')).toContain(`STATUS=process ${pid} goes on with the guests`);
    expect(receiver.messages.join('\n')).not.toContain('STOPPING=1');
    // It is the one that says signs of life now, as the variables that it was started with ask for.
    for (let signs = 0; signs < 3; ) {
      await pause(50);
      signs = receiver.messages.slice(before).filter((one) => one.startsWith('WATCHDOG=1')).length;
    }
    process.kill(pid, 'SIGTERM');
    await receiver.received('STOPPING=1');
    receiver.close();
  });

  /** A part that does something to a device, or does not end. */
  const busy = (start: string): Record<string, string> => ({
    ...files,
    ...rc({ ...config, plugins: ['./shelf.mjs', './busy.mjs'], hide: ['0000:01:00.0'], journal: './journal' }),
    'busy.mjs': plugin(
      'acme/busy',
      `host.parts.add('acme-busy', { about: 'Is busy.', needs: ['guests'], start: ${start} });`,
    ),
  });

  /** The end of the first process, and what both said: the second one writes where the first did. */
  const upgraded = async (first: Running, directory: string): Running['end'] => {
    const { status, out, err } = await run(['upgrade', '--control', 'control.sock'], directory);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    process.kill(Number(/process (\d+) serves/.exec(out)?.[1]), 'SIGTERM');
    return first.end;
  };

  it('waits until nothing is done to a device any more', async () => {
    const directory = place(
      busy(`({ engine }) => {
        const [device] = engine.stub.devices;
        void device.lock.run(async () => {
          await new Promise((resolve) => setTimeout(resolve, 3000));
          process.stdout.write('the device is left alone\\n');
        });
        return {};
      }`),
    );
    const first = start(['serve'], directory);
    await first.printed(SERVES);
    const { status, out } = await upgraded(first, directory);
    expect(status).toBe(0);
    expect(out).toMatch(/left alone\n(?:.*\n)*?.*upgrade: letting go/);
  });

  it('does not wait for what does not end: the new process takes over as after a crash', async () => {
    const directory = place(busy(`() => ({ stop: () => new Promise(() => {}) })`));
    const first = start(['serve'], directory);
    await first.printed(SERVES);
    const { status, out, err } = await upgraded(first, directory);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain('not let go in time, this process ends at once');
  });

  it('has nobody to ask where none runs', async () => {
    const { status, err } = await run(['upgrade', '--control', 'control.sock'], place(files));
    expect(err).toMatch(/^error CONTROL_UNREACHABLE/);
    expect(status).toBe(1);
  });
});

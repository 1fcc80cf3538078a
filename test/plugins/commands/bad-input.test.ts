// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { badInputs, FIFO } from '../../kit/bad-input.ts';
import { build, dist, home, run, unfolded } from './built.ts';
import { type Daemon, serve, shell } from './daemon.ts';
import { makePlaces, plugin, rc } from './places.ts';

vi.setConfig({ testTimeout: 120_000, maxConcurrency: 3 });

const place = makePlaces();
const served = place({
  ...rc({ embedded: { devices: ['samples'] }, control: 'control.sock', plugins: ['./p.mjs'] }),
  'p.mjs': plugin(
    'acme/taker',
    `host.hooks.unhandledWrite.tap(() => ({ recorder: { access() { throw new Error('full'); } } }));`,
  ),
});
let daemon: Daemon;
beforeAll(async () => {
  build();
  // An installed copy has its documentation beside it.
  if (!existsSync(join(home, 'docs'))) symlinkSync(resolve(import.meta.dirname, '../../../docs'), join(home, 'docs'));
  daemon = serve(served);
  await daemon.serves();
}, 300_000);
afterAll(async () => {
  daemon.signal('SIGTERM');
  await daemon.end;
});

/** Files as they are, FIFOs where a row wants them. */
const placeOf = (files: Readonly<Record<string, string>>): string => {
  const fifos = Object.keys(files).filter((name) => files[name] === FIFO);
  const folder = place(Object.fromEntries(Object.entries(files).filter(([name]) => !fifos.includes(name))));
  for (const name of fifos) execFileSync('mkfifo', [join(folder, name)]);
  return folder;
};

describe.concurrent('bad input says what is wrong, and ends with its status', () => {
  it.each(badInputs.map((row) => [row.input, row] as const))('%s', async (_input, row) => {
    const folder = row.with === 'serve' ? served : placeOf(row.files);
    const gone = 'mkdir gone && cd gone && rmdir ../gone && exec';
    const line = `"${process.execPath}" "${join(dist, 'plugins/commands/main.js')}" ${row.words.join(' ')}`;
    const { status, said } =
      row.with === 'gone'
        ? await inShell(folder, `${gone} ${line}`)
        : await run(row.words, folder).then(({ status, out, err }) => ({ status, said: out + err }));
    expect(unfolded(said)).toContain(row.says.replace(/\bFOLDER\b/g, folder).replace(/\bPACKAGE\b/g, home));
    expect(status).toBe(row.status);
    if (row.never !== undefined) expect(said).not.toContain(row.never);
  });
});

const inShell = async (cwd: string, command: string): Promise<{ status: number; said: string }> => {
  try {
    return { status: 0, said: execFileSync('bash', ['-c', `${command} 2>&1`], { cwd, encoding: 'utf8' }) };
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    return { status, said: stdout };
  }
};

describe('a running pciback', () => {
  it('tells a ninth client why it is turned away', async () => {
    const path = join(served, 'control.sock');
    const eight = await Promise.all(
      Array.from(
        { length: 8 },
        () =>
          new Promise<ReturnType<typeof connect>>((done) => {
            const socket = connect(path, () => done(socket));
          }),
      ),
    );
    const { status, said } = await shell(served, 'status');
    for (const socket of eight) socket.destroy();
    expect(said).toBe(
      'error CONTROL_BUSY: 8 clients are connected to the running pciback, which takes no more\n' +
        '  next: Ask again when one of them has gone; one that says nothing for 30 s is let go.\n',
    );
    expect(status).toBe(1);
  });

  it('names the plugin of a recorder that throws, and its line; the guest has lost nothing', async () => {
    await daemon.printed('plugin acme/taker failed in access of its recorder, at a read for offset 0x');
    await daemon.printed(`full (${served}/p.mjs:2)`);
    const { said } = await shell(served, 'status --json');
    expect(JSON.parse(said)).toMatchObject({ guests: [{ state: 'Connected', denied: { unrecorded: 0 } }] });
  });

  it('says how often, in words', async () => {
    const { said } = await shell(served, 'explain 0000:01:00.0 0xcc:2');
    expect(said).toMatch(/0xcc, 2 bytes: read (never|once|\d+ times), written (never|once|\d+ times), denied never\n/);
  });
});

it('what is shipped names no folder of the machine that it was built on', () => {
  const root = join(home, '../../..');
  for (const name of ['ground', 'core', 'plugins', 'packages']) {
    expect(readFileSync(join(dist, `chunks/${name}.js`), 'utf8')).not.toContain(root);
  }
});

// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { CrashReport } from '../../../plugins/supervisor/crash-run.ts';
import { build, run, start, unfolded } from '../commands/built.ts';
import { makePlaces, plugin, rc } from '../commands/places.ts';

vi.setConfig({ testTimeout: 90_000 });
beforeAll(build, 180_000);
const place = makePlaces();

/** Serves with a plugin that does this a while after its start. */
const serveWith = (code: string, loop: object, more: object = {}) => {
  const home = place({
    ...rc({
      embedded: { devices: ['samples'] },
      control: './control.sock',
      plugins: ['./bad.mjs'],
      crash: { directory: './crash' },
      loop: { seconds: 1, ...loop },
      ...more,
    }),
    'bad.mjs': plugin(
      'acme/bad',
      'host.hooks.guestConnected.tap(() => void setTimeout(() => misbehave(), 1500));',
      `import { execFileSync } from 'node:child_process'; function misbehave() { ${code} }`,
    ),
  });
  return { home, serving: start(['serve'], home) };
};

const reportsIn = (home: string): CrashReport[] => {
  const folder = join(home, 'crash');
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as CrashReport);
};

describe('a control loop that stands still', () => {
  it('names the plugin, leaves a report, and ends the process', async () => {
    const { home, serving } = serveWith('for (;;);', { action: 'end' });
    const { status, err } = await serving.end;
    expect(err).toMatch(/^pciback: the control loop stands still for 1 s, in plugin acme\/bad, \S+bad\.mjs:1$/m);
    expect(err).toMatch(/^ {4}at misbehave \(file:\S+bad\.mjs:1:\d+\)$/m);
    expect(status).toBe(70);
    const [report] = reportsIn(home);
    expect(report).toMatchObject({ kind: 'loop', plugin: 'acme/bad', ledger: { mapped: 1, bound: 1 } });
    expect(report?.stack).toContain('misbehave');
    expect(report?.log?.join('\n')).toContain('guest connected');
    const [name = ''] = readdirSync(join(home, 'crash'));
    expect(statSync(join(home, 'crash', name)).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, 'crash')).mode & 0o777).toBe(0o700);
    const doctor = await run(['doctor'], home);
    expect(unfolded(doctor.out)).toMatch(
      /crash reports\n {2}warning {2}\S+: loop \(plugin acme\/bad\): the control loop stands still/,
    );
  });

  it('is only reported where nobody starts the process anew, and goes on when it turns again', async () => {
    const { home, serving } = serveWith('const until = Date.now() + 6000; while (Date.now() < until);', {});
    await serving.printed('included guest is up');
    const health = async () => run(['health', '--wait', '30', '--json'], home);
    const first = await health();
    expect(JSON.parse(first.out)).toMatchObject({ ready: true, live: true });
    await vi.waitFor(() => expect(reportsIn(home)).toHaveLength(1), { timeout: 30_000, interval: 100 });
    const report = JSON.parse((await health()).out) as { worstLagMs: number };
    expect(report.worstLagMs).toBeGreaterThan(1000);
    serving.signal('SIGTERM');
    const { status, err } = await serving.end;
    expect(err).toMatch(/stands still for 1 s, in plugin acme\/bad/);
    expect(status).toBe(0);
  });

  it('is seen inside of a call into the host, of which no stack tells', async () => {
    const { serving } = serveWith('execFileSync("sleep", ["30"]);', { action: 'end' });
    const { status, err } = await serving.end;
    expect(err).toMatch(/stands still for 1 s, inside of a call into the host/);
    // Nothing runs on the control thread any more that could give a status.
    expect(status).toBe(null);
  });
});

describe('a process that takes too much memory', () => {
  it('names the plugin that takes it', async () => {
    const take = 'const all = []; for (;;) all.push(new Array(1e5).fill(1.5));';
    const { home, serving } = serveWith(take, { seconds: 60, megabytes: 400, action: 'end' });
    const { status, err } = await serving.end;
    expect(err).toMatch(/^pciback: the process takes \d+ MiB, in plugin acme\/bad, /m);
    expect(status).toBe(70);
    expect(reportsIn(home)).toMatchObject([{ kind: 'memory', plugin: 'acme/bad' }]);
  });
});

it('a plugin whose file calls into the host for ever is named by what is being loaded', async () => {
  const home = place({
    ...rc({ embedded: { devices: ['samples'] }, control: false, plugins: ['./bad.mjs'] }),
    'bad.mjs': `import { execFileSync } from 'node:child_process';\nexecFileSync('sleep', ['300']);`,
  });
  const { status, err } = await start(['serve'], home).end;
  expect(err).toContain(
    'the control loop stands still for 20 s, inside of a call into the host, while ./bad.mjs is loaded\n',
  );
  expect(status).toBe(null);
});

// SPDX-License-Identifier: MIT

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type Crash, crashOf, onCrash, tellCrash, tellsOfCrashes } from '../../../plugins/crash.ts';
import type { PartContext } from '../../../plugins/kinds/part.ts';
import { LogTail } from '../../../plugins/log-tail.ts';
import { type CrashReport, showReports, startReporting, writeReport } from '../../../plugins/supervisor/crash-run.ts';
import type { CrashOptions } from '../../../plugins/supervisor/crash-section.ts';
import { recordingLog } from '../../kit/embedded-host.ts';
import { build, run, start } from '../commands/built.ts';
import { makePlaces, plugin, rc } from '../commands/places.ts';

vi.setConfig({ testTimeout: 60_000 });
const place = makePlaces();

const report = (minute: number): CrashReport => ({
  form: 1,
  time: `2026-01-02T03:${String(minute).padStart(2, '0')}:00.000Z`,
  pid: 7,
  uptimeSeconds: 1,
  versions: {},
  config: {},
  kind: 'error',
  why: `number ${minute}\nsecond line`,
  stack: '',
});

describe('crash reports', () => {
  it('are for their user alone, and the oldest go', () => {
    const folder = join(place(), 'deep/crash');
    for (let minute = 0; minute < 5; minute++) writeReport(report(minute), folder, 3);
    writeFileSync(join(folder, 'notes.txt'), 'not a report');
    const files = writeReport(report(5), folder, 3);
    expect(statSync(files).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder)).toEqual([
      '2026-01-02T03-03-00.000Z-7.json',
      '2026-01-02T03-04-00.000Z-7.json',
      '2026-01-02T03-05-00.000Z-7.json',
      'notes.txt',
    ]);
  });

  it('are shown by doctor, the latest three, one that is damaged too', () => {
    const folder = join(place(), 'crash');
    expect(showReports({ directory: folder, keep: 9 }, '/')).toMatchObject([{ verdict: 'ok', detail: 'none' }]);
    for (let minute = 0; minute < 4; minute++) writeReport(report(minute), folder, 9);
    writeFileSync(join(folder, '2026-01-02T03-09-00.000Z-7.json'), '{');
    const shown = showReports({ directory: folder, keep: 9 }, '/');
    expect(shown.map(({ verdict, detail }) => `${verdict} ${detail}`)).toEqual([
      'warning error: number 2; 0 log lines',
      'warning error: number 3; 0 log lines',
      expect.stringMatching(/^warning unreadable: /),
    ]);
  });

  it('say what could be had, when something cannot', () => {
    const folder = join(place(), 'crash');
    const { log } = recordingLog();
    const engine = {
      platform: { name: 'broken', held: () => [] },
      plugins: { loaded: [] },
      guests: () => {
        throw new Error('no guests');
      },
      ledger: () => ({ mapped: 1 }),
    };
    const options: CrashOptions = { directory: folder, keep: 3 };
    const part = startReporting({
      options,
      directory: '/',
      log,
      engine,
      parts: () => [],
    } as unknown as PartContext<CrashOptions>);
    const crash: Crash = crashOf(new Error('boom'));
    tellCrash(crash);
    void part.stop?.();
    tellCrash(crashOf(new Error('later')));
    expect(readdirSync(folder)).toHaveLength(1);
    const written = JSON.parse(readFileSync(crash.report ?? '', 'utf8')) as CrashReport;
    expect(written).toMatchObject({ why: 'boom', guests: 'unknown: no guests', ledger: { mapped: 1 } });
    expect(written.stack).toContain('crash.test.ts');
  });

  it('that cannot be written are an error in the log', () => {
    const home = place({ file: '' });
    const { log, lines } = recordingLog();
    const options: CrashOptions = { directory: join(home, 'file/crash'), keep: 3 };
    const part = startReporting({
      options,
      directory: '/',
      log,
      engine: {},
      parts: () => [],
    } as unknown as PartContext<CrashOptions>);
    tellCrash(crashOf('a text'));
    void part.stop?.();
    expect(lines.map(({ message }) => message)).toEqual(['no crash report']);
  });

  it('are of this process alone where it tells of its crashes', () => {
    expect(tellsOfCrashes()).toBe(false);
    const stop = onCrash(() => undefined);
    expect(tellsOfCrashes()).toBe(true);
    stop();
    expect(tellsOfCrashes()).toBe(false);
  });
});

describe('the last lines of a log', () => {
  it('are kept in order and in bounds', () => {
    const tail = new LogTail(3);
    tail.add('one\n');
    expect(tail.lines).toEqual(['one']);
    for (const line of ['two', 'three', 'four', 'x'.repeat(5000)]) tail.add(line);
    expect(tail.lines).toEqual(['three', 'four', 'x'.repeat(1000)]);
  });
});

describe('a process that ends without being asked to', () => {
  beforeAll(build, 180_000);
  const config = {
    embedded: { devices: ['samples'] },
    control: false,
    plugins: ['./bad.mjs'],
    crash: { directory: './crash' },
  };

  it('leaves a report with the stack, the ledger and the last log lines', async () => {
    const connected = 'host.hooks.guestConnected.tap(() => { isUp = true; });';
    // Begun outside of everything that pciback has called.
    const code = `let isUp = false;
setInterval(() => { if (isUp) throw new Error("token=hunter2 is not in the environment"); }, 100);`;
    const home = place({ ...rc(config), 'bad.mjs': plugin('acme/bad', connected, code) });
    const serving = start(['serve'], home, undefined, { SECRET_TOKEN: 'hunter3' });
    const { status, err } = await serving.end;
    expect(status).not.toBe(0);
    expect(err).toContain('is not in the environment');
    const [name = ''] = readdirSync(join(home, 'crash'));
    const text = readFileSync(join(home, 'crash', name), 'utf8');
    const written = JSON.parse(text) as CrashReport;
    expect(written).toMatchObject({ kind: 'error', ledger: { mapped: 1, bound: 1 }, config: { platform: 'embedded' } });
    expect(written.stack).toContain('bad.mjs:2');
    expect(written.log?.join('\n')).toContain('guest connected');
    // Nothing of the environment, and no options of plugins.
    expect(text).not.toContain('hunter3');
    const doctor = await run(['doctor'], home);
    expect(doctor.out).toMatch(/crash reports\n {2}warning {2}\S+: error: token=hunter2 is not/);
  });

  it('leaves none when it is asked to, nor when a plugin has left something behind that fails', async () => {
    const stray = 'setTimeout(() => { throw new Error("stray"); }, 300);';
    const home = place({ ...rc(config), 'bad.mjs': plugin('acme/bad', stray) });
    const serving = start(['serve'], home);
    await serving.printed('a plugin failed');
    serving.signal('SIGTERM');
    expect((await serving.end).status).toBe(0);
    expect(existsSync(join(home, 'crash'))).toBe(false);
  });
});

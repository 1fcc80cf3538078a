// SPDX-License-Identifier: MIT

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultConfig } from '../../../plugins/program/defaults.ts';
import { runUnit, secondsOf } from '../../../plugins/supervisor/unit-run.ts';
import { unitText } from '../../../plugins/supervisor/unit-text.ts';
import { commandContext } from '../../kit/command-context.ts';
import { makePlaces, rc } from '../commands/places.ts';

const place = makePlaces();

/** Exposure that `systemd-analyze security` may find, in tenths: docs/operators/systemd.md says what it consists of. */
const MOST_EXPOSURE = 19;
const analyze = (...words: readonly string[]) => spawnSync('systemd-analyze', words, { encoding: 'utf8' });
const hasAnalyze = analyze('--version').status === 0;

/** The values of a directive, in order. */
const valuesOf = (text: string, name: string): string[] =>
  text.split('\n').flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));

describe('the unit', () => {
  const text = unitText({
    command: ['/usr/bin/node', '/opt/a b/main.js', 'serve', '50%$x"'],
    startSeconds: 1,
    stopSeconds: 2,
  });

  it('starts the command as systemd reads it', () => {
    expect(valuesOf(text, 'ExecStart')).toEqual(['/usr/bin/node "/opt/a b/main.js" serve "50%%$$x\\""']);
  });

  it('keeps the folder of the journal over a restart, and gives devices back before anything is killed', () => {
    expect(valuesOf(text, 'RuntimeDirectoryPreserve')).toEqual(['yes']);
    expect(valuesOf(text, 'Restart')).toEqual(['always']);
    expect(valuesOf(text, 'KillMode')).toEqual(['mixed']);
    expect(valuesOf(text, 'TimeoutStopSec')).toEqual(['2']);
  });

  it('has systemd listen to the process that an upgrade leaves the guests to', () => {
    expect(valuesOf(text, 'NotifyAccess')).toEqual(['all']);
  });

  it('forbids nothing that a back end needs', () => {
    for (const name of [
      'PrivateDevices',
      'ProtectKernelTunables',
      'MemoryDenyWriteExecute',
      'PrivateUsers',
      'ProcSubset',
    ]) {
      expect(valuesOf(text, name)).toEqual([]);
    }
  });

  it('gives an end the time that its deadlines take together', () => {
    const { deadlines } = defaultConfig();
    const { stopSeconds } = secondsOf({
      deadlines: { ...deadlines, reset: 5, resetDevice: 7, deviceReturned: 3, partStop: 2 },
      shutdownSeconds: 11,
    });
    expect(stopSeconds).toBe(11 + 7 + 3 + 2 * 2 + 30);
  });

  it('is printed for this process and the rc file that was named', async () => {
    const home = place(rc({ shutdownSeconds: 100, control: false }));
    const { context, printed, close } = commandContext({ config: `${home}/pciback.config.json`, platform: 'xen' });
    expect(await runUnit(context)).toBe(0);
    await close();
    const shown = printed.join('\n');
    expect(valuesOf(shown, 'ExecStart')[0]).toMatch(/^\S+ \S+ serve --config \S+pciback\.config\.json --platform xen$/);
    expect(Number(valuesOf(shown, 'TimeoutStopSec')[0])).toBeGreaterThan(200);
    expect(shown).not.toContain('undefined');
  });

  it('has each of its directives explained', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/operators/systemd.md'), 'utf8');
    const names = text.split('\n').flatMap((line) => /^([A-Z]\w+)=/.exec(line)?.[1] ?? []);
    expect(names.length).toBeGreaterThan(40);
    const unexplained = names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page));
    // What every unit has.
    expect([...new Set(unexplained)]).toEqual(['Description', 'WantedBy']);
  });

  describe.skipIf(!hasAnalyze)('by the word of systemd', () => {
    const written = (unit: string): string => {
      const file = join(place(), 'pciback.service');
      writeFileSync(file, unit);
      return file;
    };
    const good = unitText({ command: [process.execPath, 'main.js', 'serve'], startSeconds: 10, stopSeconds: 20 });

    it('is right', () => {
      const { status, stdout, stderr } = analyze('verify', written(good));
      expect([status, stdout, stderr]).toEqual([0, '', '']);
      // It would say so.
      expect(analyze('verify', written(good.replace('NoNewPrivileges=yes', 'NoNewPrivilege=yes'))).stderr).toContain(
        'NoNewPrivilege',
      );
    });

    it('exposes no more than the page says', () => {
      const judge = (unit: string) =>
        analyze('security', '--offline=true', `--threshold=${MOST_EXPOSURE}`, written(unit)).status;
      expect(judge(good)).toBe(0);
      expect(judge(good.replace('ProtectSystem=strict\n', ''))).not.toBe(0);
    });
  });
});

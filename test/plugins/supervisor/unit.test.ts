// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { defaultConfig } from '../../../plugins/program/defaults.ts';
import { runUnit, secondsOf } from '../../../plugins/supervisor/unit-run.ts';
import { unitText } from '../../../plugins/supervisor/unit-text.ts';
import { commandContext } from '../../kit/command-context.ts';
import { makePlaces, rc } from '../commands/places.ts';

const place = makePlaces();

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
});

// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { CrashReport } from '../../../plugins/supervisor/crash-run.ts';
import { hangingPlugin, hangs } from '../../kit/hangs.ts';
import { build, start } from '../commands/built.ts';
import { makePlaces, rc } from '../commands/places.ts';

vi.setConfig({ testTimeout: 90_000 });
beforeAll(build, 180_000);
const place = makePlaces();
/** `loop.seconds`. */
const SECONDS = 1;

describe.each(hangs)('$what', (hang) => {
  it('is named, and ends the process', async () => {
    const config = {
      embedded: { devices: ['samples'] },
      control: false,
      crash: { directory: './crash' },
      loop: { seconds: hang.kind === 'loop' ? SECONDS : 60, megabytes: 400, action: 'end' },
    };
    const home = place({ ...rc({ ...config, plugins: ['./bad.mjs'] }), 'bad.mjs': hangingPlugin(hang) });
    const serving = start(['serve'], home);
    const { status, err } = await serving.end;
    const said = [...err.matchAll(/^pciback: (.*)$/gm)].map(([, text = '']) => text);
    expect(said[0]).toMatch(
      hang.kind === 'loop' ? /^the control loop stands still for 1 s, / : /^the process takes \d+ MiB, /,
    );
    expect(said[0]).toMatch(hang.isNamed ? /in plugin acme\/bad, \S+bad\.mjs:\d+$/ : /inside of a call into the host$/);
    expect(status).toBe(hang.end === 'status 70' ? 70 : null);
    if (hang.isNamed) {
      const [name = ''] = readdirSync(join(home, 'crash'));
      const report = JSON.parse(readFileSync(join(home, 'crash', name), 'utf8')) as CrashReport;
      expect(report).toMatchObject({ kind: hang.kind, plugin: 'acme/bad' });
    }
  });
});

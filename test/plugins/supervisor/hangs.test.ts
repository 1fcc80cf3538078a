// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { CrashReport } from '../../../plugins/supervisor/crash-run.ts';
import { END_WITHIN_S, hangingPlugin, hangs } from '../../kit/hangs.ts';
import { build, start } from '../commands/built.ts';
import { makePlaces, rc } from '../commands/places.ts';

vi.setConfig({ testTimeout: 90_000 });
beforeAll(build, 180_000);
const place = makePlaces();
/** `loop.seconds`. */
const SECONDS = 1;
/** `loop.megabytes` are taken within this many seconds. */
const TAKING_S = 5;
/** A host that is busy with other tests is this many times slower. */
const BUSY = 5;

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
    const took = (Date.now() - Number(/^hangs since (\d+)$/m.exec(err)?.[1])) / 1000;
    process.stdout.write(`${hang.what}: the process ended after ${took.toFixed(1)} s\n`);
    const limit = hang.kind === 'loop' ? SECONDS : TAKING_S;
    expect(took).toBeLessThan(limit + BUSY * END_WITHIN_S[hang.end]);
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

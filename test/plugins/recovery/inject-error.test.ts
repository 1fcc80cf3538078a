// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { Verdict } from '../../../core/ring/layout.ts';
import { statusOf } from '../../../plugins/control/index.ts';
import type { AerHandler } from '../../../plugins/platforms/embedded/index.ts';
import { runInjectError } from '../../../plugins/recovery/inject-error-run.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

const disk = bdf(0, 3, 0);

let home: string;
let host: EmbeddedHost;
let verdict: ReturnType<AerHandler>;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-inject-'));
  writeFileSync(join(home, 'rc.json'), JSON.stringify({ control: 'run/control.sock' }));
  host = await startEmbeddedHost({ config: { control: 'run/control.sock' }, directory: home });
  verdict = Verdict.recovered;
  const guest = await host.guest([disk], { aer: ({ cmd }) => (cmd === 6 && verdict === 5 ? 2 : verdict) });
  await guest.reached(4);
});
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

const inject = async (address: string, severity: string) => {
  const { context, printed } = commandContext({ config: join(home, 'rc.json') }, [address, severity]);
  return { code: await runInjectError(context), out: printed };
};

describe('pciback inject-error', () => {
  it('shows what the guest said, stage by stage', async () => {
    const { code, out } = await inject('03:00.0', 'nonfatal');
    expect([code, out[0]]).toEqual([0, '0000:03:00.0: nonfatal error, recovered']);
    expect(out.slice(2).map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ['detected', '0000:03:00.0', 'normal', 'can recover'],
      ['mmioEnabled', '0000:03:00.0', 'normal', 'recovered'],
      ['resume', '0000:03:00.0', 'normal', 'recovered'],
    ]);
  });

  it('says which device was cut off, and so does the status', async () => {
    verdict = Verdict.disconnect;
    const { code, out } = await inject('03:00.0', 'fatal');
    expect(code).toBe(1);
    expect(out.at(-1)).toBe('0000:03:00.0 is cut off from its guest: guest gave up');
    const { devices } = statusOf(host.pciback, []);
    expect(devices.map((one) => one.fenced)).toEqual(['guest gave up']);
  });

  it.each([
    ['03:00.0', 'fatale', 'USAGE'],
    ['09:00.0', 'fatal', 'DEVICE_NOT_FOUND'],
    ['05:04.0', 'fatal', 'ERRORS_NOT_INJECTED'],
  ])('%s %s is refused: %s', async (address, severity, code) => {
    await expect(inject(address, severity)).rejects.toMatchObject({ code });
  });

  it('a platform that cannot says so', async () => {
    const { inject: _, ...others } = host.platform.errors;
    Object.assign(host.platform, { errors: others });
    await expect(inject('03:00.0', 'fatal')).rejects.toThrow(/platform embedded cannot make functions fail/);
  });
});

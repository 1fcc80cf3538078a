// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StatusReport } from '../../../plugins/control/index.ts';
import { runStatus } from '../../../plugins/control/status-run.ts';
import { NO_DURATIONS } from '../../../plugins/histogram.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

describe('pciback status', () => {
  const nic = sample('e1000e');
  const lane = {
    report: () => ({
      guests: 1,
      urgent: true,
      watchedMs: 1234,
      wakeMs: 0.04,
      found: 7,
      inVain: 2,
      wakes: 5,
      answers: { counts: NO_DURATIONS.counts.map((_, bucket) => (bucket === 3 ? 4 : 0)), sumMs: 0.03 },
    }),
  };
  let home: string;
  let path: string;
  let host: EmbeddedHost;

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'pciback-status-'));
    path = join(home, 'control.sock');
    const answerer = { ...lane, seat: () => expect.fail('there is no lane') };
    host = await startEmbeddedHost({
      devices: [nic],
      config: { control: path },
      between: (platform) => ({ ...platform, answerer }),
    });
  });
  afterEach(async () => {
    await host.close();
    rmSync(home, { recursive: true });
  });

  const status = async (json = false): Promise<string[]> => {
    const { context, printed } = commandContext({ control: path, json });
    expect(await runStatus(context)).toBe(0);
    return printed;
  };

  it('says that there is nothing, and what watching costs', async () => {
    const [process, file, rates, answers, ...rest] = await status();
    expect(process).toMatch(/^pciback, process \d+, on platform embedded, for \d+:\d\d:\d\d$/);
    expect(file).toBe('rc file: (given)');
    expect(rates).toMatch(/^requests a second: \d+\.\d \(10 s\), \d+\.\d \(1 min\), \d+\.\d \(10 min\)$/);
    expect(answers).toBe('answered by the answering thread: half of them within 8 µs, 99 % within 8 µs');
    expect(rest.slice(0, 2).join(' ')).toBe(
      'answering thread: 1 guests, 5 wake-ups of 0.04 ms, 7 requests found by watching, 2 watches in vain, 1.2 s of one CPU spent on it, goes before other programs',
    );
    expect(rest.slice(2, 6)).toEqual(['', 'no guest', '', 'no device is seized']);
    const parts = rest.slice(7).map((row) => row.split(/ {2,}/));
    expect(parts).toContainEqual(['part', 'state', 'how it does']);
    expect(parts).toContainEqual(['control', 'running', `socket ${path}, 1`]);
    expect(parts).toContainEqual(['', 'clients']);
    expect(parts).toContainEqual(['recovery', 'running', 'listening']);
  });

  it('lists guests and devices', async () => {
    const guest = await host.guest([nic.bdf]);
    await guest.reached(4);
    const rows = (await status()).map((row) => row.split(/ +/).join(' '));
    expect(rows).toContain('guest name state requests refused devices');
    expect(rows.some((row) => /^\d+ \S+ Connected \d+ \d+ 0000:01:00\.0$/.test(row))).toBe(true);
    expect(rows).toContain('device id guest there at what');
    expect(rows.some((row) => /^0000:01:00\.0 8086:10d3 \d+ 0000:00:00\.0 Ethernet controller$/.test(row))).toBe(true);
  });

  it('prints one JSON document', async () => {
    const report = JSON.parse((await status(true)).join('\n')) as StatusReport;
    expect(report).toMatchObject({ platform: 'embedded', guests: [], devices: [], lane: lane.report() });
  });
});

// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { Command } from '../../../core/ring/layout.ts';
import type { WatchReport } from '../../../plugins/control/index.ts';
import { runDevices, runGuests } from '../../../plugins/control/status-run.ts';
import { timeText } from '../../../plugins/control/tables.ts';
import { runWatch } from '../../../plugins/control/watch-run.ts';
import { changesOf } from '../../../plugins/control/watch-view.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/guest.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

const nic = sample('e1000e');
const WRITE = { cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset: 0, size: 2, value: 0x1234 };
let home: string;
let path: string;
let host: EmbeddedHost;
let guest: IncludedGuest;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'pciback-watch-'));
  path = join(home, 'control.sock');
  host = await startEmbeddedHost({ config: { control: path, permissive: ['0000:01:00.0'] } });
  guest = await host.guest([nic.bdf], { driver: 'none', name: 'a guest with a very long name' });
  await guest.reached(4);
  await guest.request(WRITE);
});
afterEach(async () => {
  await host.close();
  rmSync(home, { recursive: true });
});

const printedBy = async (
  run: (context: ReturnType<typeof commandContext>['context']) => Promise<number>,
  options: Readonly<Record<string, string | boolean>> = {},
): Promise<string[]> => {
  const { context, printed } = commandContext({ control: path, ...options });
  expect(await run(context)).toBe(0);
  return printed;
};

describe('pciback devices', () => {
  it('says what each is, who has it, and what is out of the ordinary', async () => {
    const other = (await host.platform.pci.list()).find(({ bdf, seizable }) => bdf !== nic.bdf && seizable);
    if (other === undefined) throw new Error('no other sample');
    await host.pciback.stub.seize(other.bdf);
    const [title, first, second] = (await printedBy(runDevices)).map((row) => row.split(/ {2,}/));
    expect(title).toEqual(['device', 'id', 'guest', 'there at', 'what']);
    expect(first).toEqual(['0000:01:00.0', '8086:10d3', '1', '0000:00:00.0', 'Ethernet controller; permissive']);
    expect(second?.slice(0, 3)).toEqual([
      formatBdf(other.bdf),
      expect.stringMatching(/^[0-9a-f]{4}:[0-9a-f]{4}$/),
      '-',
    ]);
    const { devices } = JSON.parse((await printedBy(runDevices, { json: true })).join('\n'));
    expect(devices[0]).toMatchObject({
      bdf: '0000:01:00.0',
      vendor: '8086',
      device: '10d3',
      class: '020000',
      guest: 1,
    });
    expect(devices[1]).not.toHaveProperty('guest');
  });
});

describe('pciback guests', () => {
  it('says what each asked for, and what came of it', async () => {
    const rows = (await printedBy(runGuests)).map((row) => row.split(/ {2,}/));
    expect(rows[0]).toEqual(['guest 1', 'a guest with a very long name, Connected']);
    expect(rows[1]).toEqual(['', 'devices', '0000:01:00.0 at 0000:00:00.0']);
    expect(rows[2]?.[2]).toMatch(/^conf_read \d+, conf_write \d+/);
    expect(rows[3]?.[2]).toMatch(/^success \d+/);
    expect(rows[4]?.[2]).toMatch(/^\d+ writes$/);
    const { guests } = JSON.parse((await printedBy(runGuests, { json: true })).join('\n'));
    expect(guests[0]).toMatchObject({ domain: 1, results: { success: expect.any(Number) } });
  });
});

describe('pciback watch', () => {
  /** What is printed while the guest asks all the time. */
  const whileAsked = async (
    run: (context: ReturnType<typeof commandContext>['context']) => Promise<number>,
    options: Readonly<Record<string, string | boolean>>,
  ): Promise<string[]> => {
    let isOver = false;
    const asking = (async () => {
      while (!isOver) await guest.request(WRITE);
    })();
    const lines = await printedBy(run, options).finally(() => {
      isOver = true;
    });
    await asking;
    return lines;
  };

  it('prints a line for each interval, with rates, times and refused writes', async () => {
    const [line = '', ...more] = await whileAsked((context) => runWatch(context, () => undefined), {
      interval: '0.2',
      count: '1',
    });
    expect(more).toEqual([]);
    expect(line.length).toBeLessThanOrEqual(80);
    const [, requests, refused] =
      /^\d\d:\d\d:\d\dZ guests 1, req\/s ([\d.]+) \(50 % \d+ [µm]s, 99 % \d+ [µm]s\), refused\/s ([\d.]+)$/.exec(
        line,
      ) ?? [];
    expect(Number(requests), line).toBeGreaterThan(0);
    expect(Number(refused), line).toBeGreaterThan(0);
  });

  it('prints an object for each interval with --json', async () => {
    const lines = await whileAsked(runWatch, { interval: '0.2', count: '2', json: true });
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      time: expect.any(String),
      guests: [{ domain: 1, state: 'Connected', requests: expect.any(Number) }],
      medianMs: expect.any(Number),
      registers: [{ bdf: '0000:01:00.0', offset: 0, size: 2, count: expect.any(Number) }],
    });
  });

  it('draws a picture that fits a terminal, and leaves it as it was', async () => {
    const printed = (
      await printedBy((context) => runWatch(context, () => ({ columns: 80, rows: 14 })), {
        interval: '0.1',
        count: '2',
      })
    ).join('\n');
    expect(printed.startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
    expect(printed.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    const frames = printed.split('\x1b[H').slice(1);
    expect(frames).toHaveLength(3);
    for (const one of frames) {
      const lines = one.split('\x1b[J')[0]?.replaceAll('\x1b[K', '').trimEnd().split('\n') ?? [];
      expect(lines.length).toBeLessThanOrEqual(13);
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
      expect(one).toContain('a guest with a …  Connected');
      expect(one).toMatch(/1 {6}0000:01:00\.0 {2}0x00:2 {4}\d+ +fields\/header/);
    }
  });

  it('waits for a pciback that ends, and says so once', async () => {
    const { context, printed } = commandContext({ control: path, interval: '0.1', count: '4' });
    const watching = runWatch(context, () => undefined);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await host.close();
    expect(await watching).toBe(0);
    expect(printed.filter((line) => line === 'no pciback answers; waiting for one')).toHaveLength(1);
  });

  it.each([
    ['interval', 'soon'],
    ['interval', '0'],
    ['interval', '1e9'],
    ['count', '0'],
    ['count', '-1'],
  ])('refuses --%s %s', async (name, value) => {
    const { context } = commandContext({ control: path, [name]: value });
    await expect(runWatch(context)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('a guest that came anew, and a record that began anew, count from zero', () => {
    const report = (requests: number, total: number): WatchReport =>
      ({
        pid: 1,
        guests: [
          {
            domain: 1,
            name: 'x',
            state: 'Connected',
            devices: [],
            requests: { conf_read: requests },
            results: {},
            denied: { total, unrecorded: 0 },
          },
        ],
        devices: [],
        answers: { control: { counts: [requests], sumMs: 0 }, lane: { counts: [0], sumMs: 0 } },
        refused: [],
      }) as unknown as WatchReport;
    expect(changesOf(report(10, 2), report(100, 50), 2).guests[0]).toMatchObject({ requests: 5, refused: 1 });
    expect(changesOf(report(120, 52), report(100, 50), 2)).toMatchObject({ requests: 10, refused: 1 });
  });
});

it.each([
  [0, '0:00:00'],
  [3723, '1:02:03'],
  [266_706, '3 d 2:05:06'],
])('%i s read %s', (seconds, text) => {
  expect(timeText(seconds)).toBe(text);
});

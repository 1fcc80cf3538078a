// SPDX-License-Identifier: MIT

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command } from '../../../core/ring/layout.ts';
import { expose } from '../../../plugins/metrics/exposition.ts';
import { runMetrics } from '../../../plugins/metrics/metrics-run.ts';
import { metricsSection } from '../../../plugins/metrics/section.ts';
import { sample } from '../../../plugins/platforms/embedded/index.ts';
import type { RcFile } from '../../../plugins/program/index.ts';
import { commandContext } from '../../kit/command-context.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';

const nic = sample('e1000e');
let home: string;
let host: EmbeddedHost | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'pciback-metrics-'));
});
afterEach(async () => {
  await host?.close();
  host = undefined;
  rmSync(home, { recursive: true });
});

const socket = () => join(home, 'control.sock');

/** Fails in a hook that stops nobody. */
const faulty = definePlugin({
  name: 'lab/faulty',
  api: '^1.0',
  apply: (facade) => {
    facade.hooks.guestConnected.tap(() => {
      throw new Error('not today');
    });
  },
});

const startHost = async (config: RcFile = {}): Promise<EmbeddedHost> => {
  host = await startEmbeddedHost({ devices: [nic], config: { control: socket(), ...config }, plugins: [faulty] });
  return host;
};

/** A guest that has read once more, and written twice where it may not. */
const withGuest = async (name = 'web'): Promise<void> => {
  const guest = await host?.guest([nic.bdf], { driver: 'none', name });
  await guest?.reached(4);
  const at = { domain: 0, bus: 0, devfn: 0, offset: 0, size: 2 };
  await guest?.request({ ...at, cmd: Command.confRead });
  for (const value of [1, 2]) await guest?.request({ ...at, cmd: Command.confWrite, value });
};

const metrics = async (): Promise<string[]> => {
  const { context, printed } = commandContext({ control: socket() });
  expect(await runMetrics(context)).toBe(0);
  return printed;
};

const urlOf = (): string => {
  const report = host?.parts.reports().find(({ name }) => name === 'metrics');
  return report?.health ?? '';
};

/** `name{labels}` → value. */
const seriesOf = (lines: readonly string[]): Map<string, number> =>
  new Map(
    lines
      .filter((line) => !line.startsWith('#'))
      .map((line) => {
        const at = line.lastIndexOf(' ');
        return [line.slice(0, at), Number(line.slice(at + 1))] as const;
      }),
  );

describe('pciback metrics', () => {
  it('counts requests, results, refused writes, resets, faults, and says what is there', async () => {
    await startHost();
    await withGuest();
    const series = seriesOf(await metrics());
    const guest = host?.pciback.guests()[0];
    expect(series.get('pciback_guests')).toBe(1);
    expect(series.get('pciback_guest_info{guest="1",name="web",state="Connected"}')).toBe(1);
    expect(series.get('pciback_requests_total{guest="1",kind="conf_read"}')).toBe(guest?.requests.conf_read);
    expect(series.get('pciback_requests_total{guest="1",kind="conf_write"}')).toBe(guest?.requests.conf_write);
    expect(series.get('pciback_answers_total{guest="1",result="success"}')).toBe(guest?.errors.success);
    const denied = 'guest="1",device="0000:01:00.0",register="0x00",owner="fields/header: header / vendor id"';
    expect(series.get(`pciback_denied_writes_total{${denied}}`)).toBe(2);
    expect(series.get('pciback_devices{state="assigned"}')).toBe(1);
    expect(series.get('pciback_resets_total{device="0000:01:00.0"}')).toBe(1);
    expect(series.get('pciback_plugin_faults_total{plugin="lab/faulty"}')).toBe(1);
    expect(series.get('pciback_plugin_faults_total{plugin="fields/header"}')).toBe(0);
    expect(series.get('pciback_log_lines_held_back_total{level="info"}')).toBe(0);
    expect(series.get('pciback_part_running{part="metrics"}')).toBe(1);
    expect(series.get('pciback_lane_watched_seconds_total')).toBe(0);
    expect(series.get('process_resident_memory_bytes')).toBeGreaterThan(1e7);
  });

  it('the histogram of times has all requests, in buckets that only grow', async () => {
    await startHost();
    await withGuest();
    const series = seriesOf(await metrics());
    const buckets = [...series].filter(([name]) =>
      /^pciback_request_duration_seconds_bucket\{thread="control"/.test(name),
    );
    expect(buckets).toHaveLength(24);
    expect(buckets[0]?.[0]).toContain('le="0.000001"');
    expect(buckets.at(-2)?.[0]).toContain('le="4.194304"');
    const counts = buckets.map(([, count]) => count);
    expect(counts).toEqual([...counts].sort((one, other) => one - other));
    const requests = Object.values(host?.pciback.guests()[0]?.requests ?? {}).reduce((all, one) => all + one, 0);
    expect(counts.at(-1)).toBe(requests);
    expect(series.get('pciback_request_duration_seconds_count{thread="control"}')).toBe(requests);
    expect(series.get('pciback_request_duration_seconds_sum{thread="control"}')).toBeGreaterThan(0);
  });

  it('counts lines that a guest made too many of', async () => {
    await startHost();
    await withGuest();
    const [guest] = host?.pciback.guests() ?? [];
    const at = { domain: 0, bus: 0, devfn: 0, offset: 0, size: 4 };
    expect(guest).toBeDefined();
    const second = await host?.guest([], { driver: 'none' });
    expect(second).toBeDefined();
    const log = host?.pciback.stub.devices[0]?.assignment?.tenant.budget.log;
    for (let i = 0; i < 15; i++) log?.warn(at, 'again');
    expect(seriesOf(await metrics()).get('pciback_log_lines_held_back_total{level="warn"}')).toBe(5);
  });

  it('what a guest is called cannot break a line or reach the terminal', () => {
    const samples = [{ labels: { name: 'a"b\\c\n\x1b[2J' }, value: 1 }];
    expect(expose([{ name: 'x', type: 'gauge', help: 'One.', samples }])).toBe(
      '# HELP x One.\n# TYPE x gauge\nx{name="a\\"b\\\\c··[2J"} 1\n',
    );
  });

  it('is one JSON document with --json', async () => {
    await startHost();
    const { context, printed } = commandContext({ control: socket(), json: true });
    expect(await runMetrics(context)).toBe(0);
    const { families } = JSON.parse(printed.join('\n'));
    expect(families).toContainEqual({
      name: 'pciback_guests',
      type: 'gauge',
      help: 'Guests that are known now.',
      samples: [{ labels: {}, value: 0 }],
    });
  });
});

describe('metrics over TCP', () => {
  it('are not there unless asked for, and then for this host alone', async () => {
    expect(metricsSection.parse(undefined)).toEqual({ address: '127.0.0.1' });
    await startHost();
    expect(urlOf()).toBe('no port');
  });

  it('are the same text, at one path, by GET alone', async () => {
    await startHost({ metrics: { port: 0 } });
    expect(urlOf()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const response = await fetch(urlOf());
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toContain('\npciback_guests 0\n');
    expect((await fetch(urlOf(), { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await fetch(urlOf().replace('metrics', 'x'))).status).toBe(404);
    expect(await (await fetch(urlOf(), { method: 'HEAD' })).text()).toBe('');
    expect(host?.lines.filter(({ message }) => message.startsWith('metrics port')).map(({ level }) => level)).toEqual([
      'info',
    ]);
    const url = urlOf();
    await host?.close();
    host = undefined;
    await expect(fetch(url)).rejects.toThrow();
  });

  it('an address for others is said in the log', async () => {
    await startHost({ metrics: { port: 0, address: '0.0.0.0' } });
    expect(host?.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: expect.stringMatching(/^metrics port open to others/) }),
    );
  });

  it('a port that another has costs the metrics over TCP, and nothing else', async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
    });
    await startHost({ metrics: { port } });
    await withGuest();
    expect(host?.pciback.guests()[0]?.state).toBe('Connected');
    expect(host?.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        facts: expect.objectContaining({ part: 'metrics', why: expect.stringContaining(`127.0.0.1, port ${port}: `) }),
      }),
    );
    await new Promise((resolve) => other.close(resolve));
  });

  it.each<[object, string]>([
    [{ port: 70_000 }, 'metrics.port'],
    [{ address: 'localhost' }, 'metrics.address'],
    [{ prt: 1 }, 'metrics.prt'],
  ])('refuses %j', async (section, key) => {
    await expect(startHost({ metrics: section } as RcFile)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      facts: { key },
    });
  });
});

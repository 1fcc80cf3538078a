// SPDX-License-Identifier: MIT

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { build, type Running, start } from '../commands/built.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** Debian's package `prometheus` has both. */
const hasPrometheus = ((): boolean => {
  try {
    for (const name of ['prometheus', 'promtool']) execFileSync(name, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const dashboard = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../../docs/operators/grafana-dashboard.json'), 'utf8'),
) as { readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[] };

const queries = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));

/** A plugin of the daemon that makes one more guest, which has a network card, reads from it and writes where it may not, again and again. */
const asking = `
import { definePlugin } from 'pciback/plugin';
export default definePlugin({
  name: 'test/asking',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('asking', {
      about: 'Makes a guest that asks.',
      needs: ['guests'],
      start: async ({ engine }) => {
        const { platform, stub } = engine;
        const { bdf } = (await platform.pci.list()).find((one) => one.class >>> 16 === 0x02);
        await stub.seize(bdf);
        const domain = await platform.toolstack.create({ name: 'asking', devices: [bdf] });
        const guest = await platform.startGuest({ domain, driver: 'none' });
        await guest.reached(4);
        const at = { domain: 0, bus: 0, devfn: 0, offset: 0, size: 4, value: 0 };
        const ask = async () => {
          for (const cmd of [0, 1]) await guest.request({ ...at, cmd });
        };
        const timer = setInterval(ask, 50);
        return { stop: () => clearInterval(timer) };
      },
    });
  },
});
`;

interface Answer {
  readonly result: readonly { readonly value: readonly [time: number, value: string] }[];
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe('the dashboard', () => {
  it('asks for nothing that pciback does not count', async () => {
    expect(queries.length).toBeGreaterThan(15);
    const source = readFileSync(resolve(import.meta.dirname, '../../../plugins/metrics/families-report.ts'), 'utf8');
    for (const [title, expr] of queries) {
      const names = [...expr.matchAll(/\bpciback_(\w+?)(?:_bucket|_sum|_count)?\b(?=[{)\s]|$)/g)].map(
        ([, name = '']) => name,
      );
      expect(names, title).not.toEqual([]);
      for (const name of names) expect(source, `${title}: ${name}`).toContain(name);
    }
  });
});

describe.skipIf(!hasPrometheus)(
  hasPrometheus
    ? 'a real Prometheus'
    : 'a real Prometheus: left out, there is no `prometheus` and `promtool` in the PATH',
  () => {
    let home = '';
    let ports: readonly [own: number, theirs: number] = [0, 0];
    let daemon: Running;
    let prometheus: ChildProcess;
    let said = '';
    const query = async (expr: string): Promise<Answer> => {
      const url = `http://127.0.0.1:${ports[1]}/api/v1/query?query=${encodeURIComponent(expr)}`;
      const { data, error } = (await (await fetch(url)).json()) as { readonly data?: Answer; readonly error?: string };
      if (data === undefined) throw new Error(`${expr}: ${error}`);
      return data;
    };

    /** As Grafana would ask. */
    const filled = (expr: string): string => expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '10s');

    beforeAll(async () => {
      home = mkdtempSync(join(tmpdir(), 'pciback-prometheus-'));
      build();
      ports = [await freePort(), await freePort()];
      writeFileSync(join(home, 'asking.mjs'), asking);
      const rc = {
        plugins: ['./asking.mjs'],
        embedded: { devices: ['samples'] },
        control: 'control.sock',
        metrics: { port: ports[0] },
      };
      writeFileSync(join(home, 'pciback.config.json'), JSON.stringify(rc));
      const scrape = { job_name: 'pciback', static_configs: [{ targets: [`127.0.0.1:${ports[0]}`] }] };
      const settings = { global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: [scrape] };
      writeFileSync(join(home, 'prometheus.json'), JSON.stringify(settings));
      daemon = start(['serve', '--platform', 'embedded'], home);
      await daemon.printed(' ready ');
      prometheus = spawn(
        'prometheus',
        [
          `--config.file=${join(home, 'prometheus.json')}`,
          `--storage.tsdb.path=${join(home, 'data')}`,
          `--web.listen-address=127.0.0.1:${ports[1]}`,
        ],
        { stdio: ['ignore', 'ignore', 'pipe'] },
      );
      prometheus.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    });

    afterAll(async () => {
      prometheus?.kill('SIGKILL');
      daemon?.signal('SIGTERM');
      await daemon?.end;
      rmSync(home, { recursive: true, force: true });
    });

    it('takes the text as it is: promtool finds nothing wrong with it', async () => {
      const text = await (await fetch(`http://127.0.0.1:${ports[0]}/metrics`)).text();
      expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('');
    });

    it('scrapes a daemon, whose counts it has then', async () => {
      const scrapes = async (): Promise<number> => {
        const { result } = await query('count_over_time(up{job="pciback"}[1m]) * up{job="pciback"}').catch(
          (): Answer => ({ result: [] }),
        );
        return Number(result[0]?.value[1] ?? 0);
      };
      const until = performance.now() + 90_000;
      while ((await scrapes()) < 8) {
        if (performance.now() > until) throw new Error(`it has scraped ${await scrapes()} times:\n${said}`);
        await pause(500);
      }
      const { result } = await query('sum(pciback_requests_total)');
      expect(Number(result[0]?.value[1])).toBeGreaterThan(100);
    });

    it.each(queries)('%s: %s', async (_title, expr) => {
      const { result } = await query(filled(expr));
      expect(result.length).toBeGreaterThan(0);
      const numbers = result.map(({ value }) => Number(value[1]));
      // Half of no requests is no number: that is so for a thread that there is not.
      expect(numbers.some((value) => Number.isFinite(value))).toBe(true);
    });

    it('there were requests, resets and refused writes in it', async () => {
      const wanted = [
        'sum(rate(pciback_requests_total[10s]))',
        'sum(pciback_resets_total)',
        'sum(pciback_denied_writes_total)',
      ];
      for (const expr of wanted) {
        const { result } = await query(expr);
        expect(Number(result[0]?.value[1]), expr).toBeGreaterThan(0);
      }
    });
  },
);

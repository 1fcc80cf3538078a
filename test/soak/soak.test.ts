// SPDX-License-Identifier: MIT

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, dist } from '../plugins/commands/built.ts';
import { Checks } from './checks.ts';
import { memoryChart } from './plot.ts';

const soak = (...words: readonly string[]) => {
  const main = join(import.meta.dirname, 'main.mjs');
  return spawnSync(process.execPath, [main, '--dist', dist, ...words], { encoding: 'utf8' });
};

describe('a host on which everything goes wrong', () => {
  beforeAll(build, 600_000);

  it('serves its guests, each answer right and none missing, and holds nothing in the end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pciback-soak-test-'));
    const plot = join(folder, 'memory.svg');
    const { status, stdout, stderr } = soak('--minutes', '0.3', '--seed', '5', '--stretch', '5', '--plot', plot);
    expect(stdout.split('\n').filter((line) => line.startsWith('failed'))).toEqual([]);
    expect(stdout).toMatch(/^\d{3,} passed, 0 failed$/m);
    expect(stdout).toMatch(/faults: .*\d/);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(existsSync(plot) && readFileSync(plot, 'utf8')).toContain('</svg>');
    rmSync(folder, { recursive: true });
  }, 300_000);

  it('is not called with rubbish', () => {
    expect(soak('--minutes', 'many')).toMatchObject({ status: 2, stderr: 'soak: --minutes is a number\n' });
  });
});

describe('what is looked at', () => {
  it('fails by name, with what was seen', () => {
    const said: string[] = [];
    const checks = new Checks((line) => void said.push(line));
    checks.that(true, 'this holds');
    checks.that(false, 'this does not', { seen: 1 });
    expect([checks.passed, checks.failed]).toEqual([1, 1]);
    expect(said).toEqual(['failed: this does not; seen: {"seen":1}']);
    expect(checks.failures).toEqual(said);
  });

  it('is drawn with a gap where another process began', () => {
    const at = (seconds: number, pid: number) => ({ seconds, pid, rss: 1e8, heap: 2e7, descriptors: 30 });
    const chart = memoryChart([at(0, 1), at(5, 1), at(10, 2), at(15, 2)]);
    // Two lines, each in two parts.
    expect(chart.match(/<polyline /g)?.length).toBe(4);
  });
});

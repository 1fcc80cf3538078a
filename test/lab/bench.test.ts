// SPDX-License-Identifier: MIT

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Row {
  readonly p50: number;
}
interface Run {
  readonly backend: string;
  readonly read: Row;
  readonly scanMs: number;
  readonly bindMs: number;
}
/** The lab's own modules are plain JavaScript; this is the part of the report that is used here. */
interface Report {
  runOf(guest: string, console: string): Run;
  median(numbers: readonly number[]): number;
  compare(runs: readonly Run[]): { medians: Record<'kernel' | 'pciback', Run>; ratios: Run };
  table(comparison: object, runs: number): string;
}
const { runOf, median, compare, table } = (await import(
  /* @vite-ignore */ join(import.meta.dirname, 'bench/report.mjs')
)) as Report;

/** What a guest prints whose 4-byte reads take `read` microseconds and everything else `other`. */
const consoleOf = (read: number, other = 100): string => {
  const row = (name: string, p50: number): string => `BENCH ${name} count=10 p50=${p50} p90=2 p99=3 max=4\r\n`;
  const others = ['readAll', 'alone', 'write', 'writeDropped', 'rescan', 'bind'].map((name) => row(name, other));
  return `BENCH scan count=7 ms=25.5\r\n[    1.0] something else\r\n${row('read', read)}${others.join('')}`.replaceAll(
    '\r',
    '',
  );
};

describe('the report of the bench', () => {
  it('takes every row of a guest, times in milliseconds', () => {
    const run = runOf('pciback-2', consoleOf(1.5, 3000));
    expect(run).toMatchObject({ backend: 'pciback', guest: 'pciback-2', scanMs: 25.5, rescanMs: 3, bindMs: 3 });
    expect(run.read).toEqual({ count: 10, p50: 1.5, p90: 2, p99: 3, max: 4 });
  });

  it('refuses a guest that did not measure everything, and says what it did', () => {
    const without = consoleOf(1).replace(/^BENCH write count.*\n/m, '');
    expect(() => runOf('kernel-1', without)).toThrow(
      'kernel-1 measured only: scan, read, readAll, alone, writeDropped',
    );
    expect(() => runOf('kernel-1', '')).toThrow('kernel-1 measured only: nothing');
  });

  it('takes the median of each side and their ratio', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
    const runs = [
      ...[400, 100, 200].map((read) => runOf('kernel-1', consoleOf(read))),
      ...[50, 900, 100].map((read) => runOf('pciback-1', consoleOf(read))),
    ];
    const comparison = compare(runs);
    expect(comparison.medians.kernel.read.p50).toBe(200);
    expect(comparison.medians.pciback.read.p50).toBe(100);
    expect([comparison.ratios.read.p50, comparison.ratios.scanMs]).toEqual([0.5, 1]);
    expect(table(comparison, 3)).toMatch(/4-byte read, vendor and device id, p50, µs +200\.0 +100\.0 +0\.50/);
  });
});

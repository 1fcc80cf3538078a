// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import type { DeviceError } from '../../../core/platform/index.ts';
import { type GuestVerdict, Verdict } from '../../../core/ring/layout.ts';
import { mergeVerdicts, recover } from '../../../plugins/platforms/recovery-sequence.ts';

const { none, canRecover, needReset, disconnect, recovered, noDriver } = Verdict;
const all = [none, canRecover, needReset, disconnect, recovered, noDriver] as const;

describe('merging verdicts', () => {
  // Rows: the verdict so far; columns: the next one, in the order of their numbers.
  it.each<[GuestVerdict, readonly GuestVerdict[]]>([
    [canRecover, [canRecover, canRecover, needReset, disconnect, recovered, noDriver]],
    [recovered, [recovered, canRecover, needReset, disconnect, recovered, noDriver]],
    [needReset, [needReset, needReset, needReset, needReset, needReset, noDriver]],
    [disconnect, [disconnect, disconnect, needReset, disconnect, disconnect, noDriver]],
    [noDriver, [noDriver, noDriver, noDriver, noDriver, noDriver, noDriver]],
  ])('after %i', (merged, row) => {
    expect(all.map((next) => mergeVerdicts(merged, next))).toEqual(row);
  });
});

const first = bdf(0, 1, 0);
const second = bdf(0, 1, 1);

/** Runs a recovery of two functions that answer by this table; `link`: what the reset of their link comes to. */
const run = async (
  severity: 'nonfatal' | 'fatal',
  answers: Partial<Record<DeviceError['stage'], readonly [GuestVerdict, GuestVerdict]>>,
  link: 'up' | 'down' = 'up',
) => {
  const order: string[] = [];
  const { outcome } = await recover({
    functions: [first, second],
    severity,
    ask: async ({ bdf: of, stage, channel }) => {
      if (of === first) order.push(`${stage} ${channel}`);
      return answers[stage]?.[of === first ? 0 : 1] ?? recovered;
    },
    resetLink: async () => {
      order.push('link');
      return link === 'up';
    },
  });
  return [...order, outcome];
};

describe('a recovery', () => {
  it('non-fatal, all can go on: no reset', async () => {
    expect(await run('nonfatal', { detected: [canRecover, none] })).toEqual([
      ...['detected 1', 'mmioEnabled 1', 'resume 1'],
      'recovered',
    ]);
  });

  it('one wants a reset: all are reset', async () => {
    expect(await run('nonfatal', { detected: [canRecover, needReset] })).toEqual([
      ...['detected 1', 'slotReset 1', 'resume 1'],
      'recovered',
    ]);
  });

  it('a reset that is only asked for when memory answers again', async () => {
    expect(await run('nonfatal', { detected: [canRecover, canRecover], mmioEnabled: [needReset, recovered] })).toEqual([
      ...['detected 1', 'mmioEnabled 1', 'slotReset 1', 'resume 1'],
      'recovered',
    ]);
  });

  it('fatal: the link is reset between', async () => {
    expect(await run('fatal', { detected: [needReset, canRecover] })).toEqual([
      ...['detected 2', 'link', 'slotReset 2', 'resume 2'],
      'recovered',
    ]);
  });

  it.each<[string, Parameters<typeof run>]>([
    ['the link stays down', ['fatal', { detected: [needReset, needReset] }, 'down']],
    ['one gives up', ['nonfatal', { detected: [canRecover, disconnect] }]],
    ['one has no driver that could be asked', ['nonfatal', { detected: [noDriver, canRecover] }]],
    ['one does not come back', ['nonfatal', { detected: [needReset, none], slotReset: [recovered, disconnect] }]],
  ])('%s: nobody resumes, all are told that it is over', async (_, terms) => {
    const order = await run(...terms);
    expect(order.slice(-2)).toEqual(['detected 3', 'failed']);
    expect(order.some((line) => line.startsWith('resume'))).toBe(false);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { addressesOf, parseBdfPattern, parseDevicePattern } from '../../plugins/device-pattern.ts';
import { configSchema } from '../../plugins/program/schema.ts';
import { isTakenByKernel, outcomeOf, patternHost, patternRows } from '../kit/device-patterns.ts';

const nameOf = (index: number): string => formatBdf(parseBdf(formatBdf(patternHost[index]?.bdf ?? parseBdf('0:0.0'))));

describe('a text that names devices', () => {
  it.each(patternRows)('$text: $what', (row) => {
    const { means, kernel } = row;
    const outcome = outcomeOf(row);
    if (typeof means === 'string') expect(outcome).toMatch(new RegExp(`^${means}: "`));
    else expect(outcome).toBe(means.length === 0 ? 'none' : means.map(nameOf).join(', '));
    expect(isTakenByKernel(row)).toBe(kernel);
  });

  it('knows addresses by itself, and the rest of what it has met', () => {
    const [bridge, below, other] = [parseDevicePattern('00:1c.0'), '0000:02:00.0', '0000:05:04.0'].map((one) =>
      typeof one === 'string' ? parseBdf(one) : one,
    ) as [ReturnType<typeof parseDevicePattern>, ReturnType<typeof parseBdf>, ReturnType<typeof parseBdf>];
    expect(bridge.matches(parseBdf('0000:00:1c.0'))).toBe(true);
    expect(bridge.matches(below)).toBe(false);
    for (const one of patternHost) bridge.meet(one);
    expect([parseBdf('0000:00:1c.0'), below, other].map((one) => bridge.matches(one))).toEqual([false, true, false]);
  });

  it('forgets a function in whose place another one has come', () => {
    const pattern = parseDevicePattern('8086:10d3');
    const nic = patternHost[1] as (typeof patternHost)[number];
    expect(pattern.meet(nic)).toBe(true);
    expect(pattern.matches(nic.bdf)).toBe(true);
    expect(pattern.meet({ ...nic, device: 0x1533 })).toBe(false);
    expect(pattern.matches(nic.bdf)).toBe(false);
  });

  it('is every address of a wildcard, for the slot list', () => {
    expect(addressesOf(parseBdfPattern('1:02:*.*'))).toHaveLength(256);
    expect(addressesOf(parseBdfPattern('1:02:1f.*')).map(formatBdf)).toEqual(
      Array.from({ length: 8 }, (_, fn) => `0001:02:1f.${fn}`),
    );
  });
});

describe('what the rc file names', () => {
  const found = (hide: unknown): number[] => {
    const patterns = configSchema.parse({ hide }).hide;
    return patternHost.flatMap((one, index) => (patterns.some((pattern) => pattern.means(one)) ? [index] : []));
  };

  it.each([
    [['0000:02:00.0'], [1]],
    [
      ['02:00.*', '5:4.0'],
      [1, 2, 6],
    ],
    ['(02:00.0)(05:04.0)', [1, 6]],
    [
      ['(02:00.0)(05:04.0)', '144d:a808'],
      [1, 5, 6],
    ],
    [[{ vendor: '8086' }], [1, 2]],
    [[{ vendor: '8086', device: '10d3', subdevice: '0001' }], [2]],
    [[{ vendor: '0x10ec', device: '0x8168' }], [7]],
    [[{ vendor: '8086', device: '0000' }], []],
  ])('%j', (hide, indexes) => {
    expect(found(hide)).toEqual(indexes);
  });

  it.each(['(02:00.0', '02:00', '(02:00.0)(03:zz.0)'])('%j is refused, all of it', (hide) => {
    expect(() => configSchema.parse({ hide })).toThrow(/is not a PCI address/);
  });
});

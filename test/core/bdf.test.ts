// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import {
  bdf,
  busOf,
  devfnOf,
  deviceOf,
  formatBdf,
  formatRoot,
  formatVdev,
  functionOf,
  parseBdf,
  segmentOf,
} from '../../core/bdf.ts';
import { parseBdfPattern } from '../../plugins/device-pattern.ts';

describe('an address', () => {
  it('has its parts where the hypervisor has them, and stays unsigned', () => {
    const address = bdf(0xffff, 0x12, (0x1f << 3) | 7);
    expect(address).toBe(0xffff12ff);
    expect([segmentOf(address), busOf(address), devfnOf(address), deviceOf(address), functionOf(address)]).toEqual([
      0xffff, 0x12, 0xff, 0x1f, 7,
    ]);
  });

  it('is written as the toolstack reads it', () => {
    const address = bdf(1, 2, (3 << 3) | 4);
    expect([formatBdf(address), formatVdev(address), formatRoot(1, 2)]).toEqual([
      '0001:02:03.4',
      '0001:02:03.04',
      '0001:02',
    ]);
  });
});

describe('reading an address', () => {
  it.each([
    ['0000:03:00.0', 0x0300],
    ['03:00.0', 0x0300],
    [' 0xffff:0xff:0x1f.0x7 ', 0xffffffff],
    ['1:2:3.4', 0x1021c],
  ])('%j', (text, value) => {
    expect(parseBdf(text)).toBe(value);
  });

  it.each([
    ['10000:00:00.0', 'segment'],
    ['0:100:00.0', 'bus'],
    ['0:00:20.0', 'slot'],
    ['0:00:3f.0', 'slot'],
    ['0:00:00.8', 'function'],
    ['0:00:00.ffffffff', 'function'],
  ])('%j: no such %s', (text, part) => {
    expect(() => parseBdf(text)).toThrow(
      expect.objectContaining({ code: 'BDF_RANGE', facts: expect.objectContaining({ part }) }),
    );
    expect(() => parseBdfPattern(text)).toThrow(expect.objectContaining({ code: 'BDF_RANGE' }));
  });

  it.each(['', '03:00', '03:00.', '(1:0:0)', '1:0:0', '03:00.*', '03:00.0 x', '-1:0:0.0', '03:00.123456789'])(
    '%j is none',
    (text) => {
      expect(() => parseBdf(text)).toThrow(expect.objectContaining({ code: 'BDF_SYNTAX' }));
    },
  );
});

describe('a pattern', () => {
  const addresses = ['0000:03:00.0', '0000:03:00.1', '0000:03:01.0', '0000:04:00.0', '0001:03:00.0'];
  it.each([
    ['03:00.0', [0]],
    ['0000:03:00.*', [0, 1]],
    ['03:*.*', [0, 1, 2]],
    ['1:3:*.*', [4]],
  ])('%s', (text, matching) => {
    const pattern = parseBdfPattern(text);
    expect(addresses.filter((one) => pattern.matches(parseBdf(one)))).toEqual(
      matching.map((index) => addresses[index]),
    );
  });

  it.each(['*:*.*', '03:*.0', '*', '03:00'])('%j is none', (text) => {
    expect(() => parseBdfPattern(text)).toThrow(expect.objectContaining({ code: 'BDF_SYNTAX' }));
  });
});

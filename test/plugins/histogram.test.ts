// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BOUNDS_MS,
  boundOf,
  boundText,
  countOf,
  Histogram,
  NO_DURATIONS,
  since,
  together,
} from '../../plugins/histogram.ts';

const bucketOf = (milliseconds: number): number => {
  const histogram = new Histogram();
  histogram.add(milliseconds);
  return histogram.read().counts.indexOf(1);
};

describe('a histogram of times', () => {
  it('puts each in the bucket of the least bound that it does not exceed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (microseconds) => {
        const wanted = BOUNDS_MS.findIndex((bound) => microseconds <= Math.round(bound * 1000));
        expect(bucketOf(microseconds / 1000)).toBe(wanted < 0 ? BOUNDS_MS.length : wanted);
      }),
    );
  });

  it.each([
    [0, 0],
    [-3, 0],
    [0.0001, 0],
    [0.001, 0],
    [0.0011, 1],
    [4194.304, 22],
    [4194.305, 23],
    [1e9, 23],
  ])('%d ms are in bucket %i', (milliseconds, bucket) => {
    expect(bucketOf(milliseconds)).toBe(bucket);
  });

  it('sums them, in memory that several see', () => {
    const words = new Float64Array(new SharedArrayBuffer(8 * 25));
    const one = new Histogram(words);
    one.add(0.5);
    one.add(2);
    one.add(-1);
    expect(new Histogram(words).read().sumMs).toBe(2.5);
    expect(countOf(new Histogram(words).read())).toBe(3);
  });

  it('tells the bound that a part of them kept', () => {
    const histogram = new Histogram();
    for (let i = 0; i < 99; i++) histogram.add(0.003);
    const before = histogram.read();
    histogram.add(5000);
    const all = histogram.read();
    expect(boundOf(all, 0.5)).toBe(0.004);
    expect(boundOf(all, 0.99)).toBe(0.004);
    expect(boundOf(all, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(boundOf(since(all, before), 0.5)).toBe(Number.POSITIVE_INFINITY);
    expect(boundOf(NO_DURATIONS, 0.5)).toBeUndefined();
    expect(countOf(together(all, before))).toBe(199);
  });

  it.each([
    [0.001, '1 µs'],
    [0.512, '512 µs'],
    [1.024, '1 ms'],
    [4194.304, '4 s'],
    [Number.POSITIVE_INFINITY, 'over 4 s'],
  ])('%d ms reads %s', (milliseconds, text) => {
    expect(boundText(milliseconds)).toBe(text);
  });
});

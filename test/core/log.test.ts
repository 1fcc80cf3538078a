// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { RateLimit } from '../../core/log.ts';

/** A bucket of 10 messages in 5 s, at a time that the test sets. */
const bucket = () => {
  let now = 0;
  const limit = new RateLimit(() => now);
  return {
    limit,
    /** How many of `tries` go out after `milliseconds` more. */
    allowed: (milliseconds: number, tries = 1000): number => {
      now += milliseconds;
      return Array.from({ length: tries }, () => limit.allows()).filter((one) => one).length;
    },
  };
};

describe('what a guest can cause to be logged (XSA-43)', () => {
  it('is ten messages at once, and no more', () => {
    const { limit, allowed } = bucket();
    expect(allowed(0)).toBe(10);
    expect(limit.suppressed).toBe(990);
  });

  it('is two a second in the long run, however often it tries', () => {
    const { allowed } = bucket();
    allowed(0);
    let sum = 0;
    for (let second = 0; second < 100; second++) sum += allowed(500) + allowed(500);
    expect(sum).toBe(200);
  });

  it('is not more after a long silence', () => {
    const { allowed } = bucket();
    expect([allowed(3_600_000), allowed(0)]).toEqual([10, 0]);
  });

  it('comes back with the time, not with the tries', () => {
    const { allowed } = bucket();
    allowed(0);
    expect([allowed(499), allowed(0), allowed(1)]).toEqual([0, 0, 1]);
  });
});

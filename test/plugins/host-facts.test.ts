// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { beyondXen, isBeyondXen, usableLine } from '../../plugins/host-facts.ts';

describe('what a host says', () => {
  it('of a line is none where nothing is connected, and else its number', () => {
    expect([0, 255, 0x80000000, -2147483648].map(usableLine)).toEqual([0, 0, 0, 0]);
    expect([9, 16, 254, 256, 300].map(usableLine)).toEqual([9, 16, 254, 256, 300]);
  });

  it('of a segment above ffff is nothing that a guest can have', () => {
    expect(['10000:e1:00.0', '0001ffff:00:00.0'].map(isBeyondXen)).toEqual([true, true]);
    expect(['ffff:e1:00.0', '0000ffff:00:00.0', '0000:00:1f.3', 'e1:00.0', 'config'].map(isBeyondXen)).toEqual(
      Array.from({ length: 5 }, () => false),
    );
    expect(beyondXen(['10000:e1:00.0'])).toContain('10000:e1:00.0');
  });
});

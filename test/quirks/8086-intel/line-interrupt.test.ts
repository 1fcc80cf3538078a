// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/8086-intel/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('intel/line-interrupt', () => {
  it('says maskingBroken of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ maskingBroken: true });
    for (const id of [
      0x1572, 0x1574, 0x1580, 0x1581, 0x1583, 0x1584, 0x1585, 0x1586, 0x1587, 0x1588, 0x1589, 0x158a, 0x158b, 0x37d0,
      0x37d1, 0x37d2,
    ])
      expect(isFor(lineInterrupt, 0x8086, id)).toBe(true);
    expect([0x1571, 0x37d3].map((id) => isFor(lineInterrupt, 0x8086, id))).toEqual([false, false]);
  });
});

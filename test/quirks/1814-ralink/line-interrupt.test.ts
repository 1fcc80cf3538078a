// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/1814-ralink/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('ralink/line-interrupt', () => {
  it('says maskingBroken of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ maskingBroken: true });
    for (const id of [0x0601]) expect(isFor(lineInterrupt, 0x1814, id)).toBe(true);
    expect([0x0600, 0x0602].map((id) => isFor(lineInterrupt, 0x1814, id))).toEqual([false, false]);
  });
});

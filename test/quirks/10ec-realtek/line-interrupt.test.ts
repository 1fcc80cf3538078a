// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/10ec-realtek/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('realtek/line-interrupt', () => {
  it('says maskingBroken of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ maskingBroken: true });
    for (const id of [0x8169]) expect(isFor(lineInterrupt, 0x10ec, id)).toBe(true);
    expect([0x8168, 0x816a].map((id) => isFor(lineInterrupt, 0x10ec, id))).toEqual([false, false]);
  });
});

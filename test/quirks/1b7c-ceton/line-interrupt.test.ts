// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/1b7c-ceton/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('ceton/line-interrupt', () => {
  it('says maskingBroken of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ maskingBroken: true });
    for (const id of [0x0004]) expect(isFor(lineInterrupt, 0x1b7c, id)).toBe(true);
    expect([0x0003, 0x0005].map((id) => isFor(lineInterrupt, 0x1b7c, id))).toEqual([false, false]);
  });
});

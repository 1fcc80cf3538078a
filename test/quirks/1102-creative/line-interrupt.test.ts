// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/1102-creative/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('creative/line-interrupt', () => {
  it('says maskingBroken of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ maskingBroken: true });
    for (const id of [0x000b]) expect(isFor(lineInterrupt, 0x1102, id)).toBe(true);
    expect([0x000a, 0x000c].map((id) => isFor(lineInterrupt, 0x1102, id))).toEqual([false, false]);
  });
});

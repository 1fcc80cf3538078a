// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/1425-chelsio/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('chelsio/line-interrupt', () => {
  it('says maskingBroken of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ maskingBroken: true });
    for (const id of [0x0030]) expect(isFor(lineInterrupt, 0x1425, id)).toBe(true);
    expect([0x002f, 0x0031].map((id) => isFor(lineInterrupt, 0x1425, id))).toEqual([false, false]);
  });
});

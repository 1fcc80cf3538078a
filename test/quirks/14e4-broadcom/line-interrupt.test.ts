// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/14e4-broadcom/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('broadcom/line-interrupt', () => {
  it('says disableStopsMessages of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ disableStopsMessages: true });
    for (const id of [0x1668, 0x1669, 0x166a, 0x166b, 0x1678, 0x1679])
      expect(isFor(lineInterrupt, 0x14e4, id)).toBe(true);
    expect([0x1667, 0x167a].map((id) => isFor(lineInterrupt, 0x14e4, id))).toEqual([false, false]);
  });
});

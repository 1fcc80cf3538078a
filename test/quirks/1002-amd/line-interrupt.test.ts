// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/1002-amd/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('amd/line-interrupt', () => {
  it('says disableStopsMessages of its devices, and of no others', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ disableStopsMessages: true });
    for (const id of [0x4373, 0x4374, 0x4375, 0x4390, 0x4391, 0x4392, 0x4393, 0x4394])
      expect(isFor(lineInterrupt, 0x1002, id)).toBe(true);
    expect([0x4372, 0x4395].map((id) => isFor(lineInterrupt, 0x1002, id))).toEqual([false, false]);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import lineInterrupt from '../../../quirks/1969-attansic/line-interrupt.ts';
import { isFor } from '../view.ts';

describe('attansic/line-interrupt', () => {
  it('says disableStopsMessages of the families that have it in every revision', () => {
    expect(lineInterrupt.interruptLimits).toEqual({ disableStopsMessages: true });
    for (const id of [0x1062, 0x1063, 0x1073, 0x1083, 0x2060, 0x2062]) {
      expect(isFor(lineInterrupt, 0x1969, id, { revision: 0xff })).toBe(true);
    }
    expect([0x1048, 0x2063].map((id) => isFor(lineInterrupt, 0x1969, id))).toEqual([false, false]);
  });

  it('says it of the first revisions alone where later ones are mended', () => {
    for (const id of [0x1090, 0x1091, 0x10a0, 0x10a1, 0xe091]) {
      const revisions = [0x00, 0x17, 0x18, 0xff].map((revision) => isFor(lineInterrupt, 0x1969, id, { revision }));
      expect(revisions).toEqual([true, true, false, false]);
    }
  });
});

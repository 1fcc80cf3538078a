// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { seenBy, seizingRefusals } from '../../kit/seizing-page.ts';

describe('what an operator sees', () => {
  it.each(seizingRefusals)('$what', async (refusal) => {
    const lines = await seenBy(refusal);
    expect(lines.join(' ').replace(/ +/g, ' ')).toContain(refusal.says);
    // An error has its message and its next step in one line each; tables are folded.
    if (!(lines[0] ?? '').startsWith('error '))
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

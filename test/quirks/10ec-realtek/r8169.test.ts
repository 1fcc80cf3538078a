// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import r8169 from '../../../quirks/10ec-realtek/r8169.ts';
import { claims, device, presets, viewWith } from '../view.ts';

describe('quirk realtek/r8169', () => {
  it('claims one byte of one device', () => {
    expect(claims(r8169)).toEqual(['70f/8 function ff']);
    expect(r8169.match).toEqual([{ vendor: 0x10ec, device: 0x8168 }]);
  });

  it.each(presets)('lets the driver write its two values, and no other, fields %s', (preset) => {
    const guest = viewWith(r8169, { ...device(0x10ec, 0x8168), image: [[0x70c, 4, 0x12345678]] }, preset);
    for (const value of [0x27, 0x2f]) {
      guest.write(0x70f, 1, value);
      expect(guest.hardware.get(0x70c, 4)).toBe(((value << 24) | 0x345678) >>> 0);
    }
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    for (const value of [0x00, 0x26, 0x2e, 0xff]) guest.write(0x70f, 1, value);
    expect([guest.refused.length, guest.hardware.writes.length]).toEqual([4, 2]);
  });
});

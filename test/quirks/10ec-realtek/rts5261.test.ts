// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import rts5261 from '../../../quirks/10ec-realtek/rts5261.ts';
import { claims, device, presets, viewWith } from '../view.ts';

describe('quirk realtek/rts5261', () => {
  it('claims one register of one device', () => {
    expect(claims(rts5261)).toEqual(['814/32 writable ffffffff']);
    expect(rts5261.match).toEqual([{ vendor: 0x10ec, device: 0x5261 }]);
  });

  it.each(presets)('lets the driver write it, fields %s', (preset) => {
    const guest = viewWith(rts5261, device(0x10ec, 0x5261), preset);
    guest.write(0x814, 4, guest.read(0x814, 4) | 0x80000021);
    expect([guest.hardware.writes, guest.refused, guest.skipped]).toEqual([[[0x814, 4, 0x80000021]], [], []]);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import bt878 from '../../../quirks/109e-brooktree/bt878.ts';
import { claims, device, presets, viewWith } from '../view.ts';

describe('quirk brooktree/bt878', () => {
  it('claims two bits of two devices', () => {
    expect(claims(bt878)).toEqual(['40/8 writable 06']);
    expect(bt878.match).toEqual([
      { vendor: 0x109e, device: 0x036e },
      { vendor: 0x109e, device: 0x036f },
    ]);
  });

  it.each(presets)('lets the driver set either work-around, fields %s', (preset) => {
    const guest = viewWith(bt878, { ...device(0x109e, 0x036e), image: [[0x40, 1, 0x41]] }, preset);
    guest.write(0x40, 1, guest.read(0x40, 1) | 0x02);
    guest.write(0x40, 1, guest.read(0x40, 1) | 0x04);
    expect([guest.hardware.get(0x40, 1), guest.refused, guest.skipped]).toEqual([0x47, [], []]);
    guest.write(0x40, 1, 0);
    expect([guest.hardware.get(0x40, 1), guest.refused]).toEqual([0x41, ['40:1=41']]);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import hda from '../../../quirks/1002-amd/hda.ts';
import { claims, device, presets, viewWith } from '../view.ts';

const controller = { ...device(0x1002, 0x4383, { class: 0x040300 }), image: [[0x42, 1, 0xf5]] } as const;

describe('quirk amd/hda', () => {
  it('claims three bits of two devices', () => {
    expect(claims(hda)).toEqual(['42/8 function 07']);
    expect(hda.match).toEqual([
      { vendor: 0x1002, device: 0x437b },
      { vendor: 0x1002, device: 0x4383 },
    ]);
  });

  it.each(presets)('lets the driver switch snooping on, and nothing else, fields %s', (preset) => {
    const guest = viewWith(hda, controller, preset);
    guest.write(0x42, 1, (guest.read(0x42, 1) & ~0x07) | 0x02);
    expect([guest.hardware.get(0x42, 1), guest.refused, guest.skipped]).toEqual([0xf2, [], []]);
    for (const value of [0xf0, 0xf3, 0xf6]) guest.write(0x42, 1, value);
    const why = 'snooping can only be switched on';
    expect(guest.refused).toEqual([`42:1=2 ${why}`, `42:1=1 ${why}`, `42:1=4 ${why}`]);
    expect(guest.hardware.writes).toHaveLength(1);
  });
});

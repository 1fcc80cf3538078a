// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import bnx2 from '../../../quirks/14e4-broadcom/bnx2.ts';
import { capabilityList, claims, device, presets, viewWith } from '../view.ts';

const chip = {
  ...device(0x14e4, 0x1639),
  image: capabilityList([0x48, 0x01], [0x50, 0x03], [0x58, 0x05], [0xa0, 0x11], [0xac, 0x10]),
};

describe('quirk broadcom/bnx2', () => {
  it('claims MISC_CONFIG and the window, on eight chips', () => {
    expect(claims(bnx2)).toEqual(['68/32 writable ffffffff', '78/32 writable ffffffff', '80/32 writable ffffffff']);
    expect(bnx2.match).toEqual(
      [0x1639, 0x163a, 0x163b, 0x163c, 0x164a, 0x164c, 0x16aa, 0x16ac].map((id) => ({ vendor: 0x14e4, device: id })),
    );
  });

  it.each(presets)('lets the driver reach the chip through the window, fields %s', (preset) => {
    const guest = viewWith(bnx2, chip, preset);
    guest.write(0x68, 4, 0x00000088);
    for (const [address, value] of [
      [0x400, 0x1],
      [0x2c, 0xa5a5a5a5],
    ] as const) {
      guest.write(0x78, 4, address);
      guest.write(0x80, 4, value);
      expect(guest.read(0x80, 4)).toBe(value);
    }
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    expect(guest.hardware.writes).toHaveLength(5);
  });
});

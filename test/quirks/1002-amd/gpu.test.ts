// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import gpu from '../../../quirks/1002-amd/gpu.ts';
import { capabilityList, claims, device, isFor, viewWith } from '../view.ts';

const graphics = { class: 0x030000 };

describe('quirk amd/gpu', () => {
  it('claims the register of the magic value', () => {
    expect(claims(gpu)).toEqual(['7c/32 function ffffffff']);
  });

  it('is for the display class of the vendor', () => {
    expect(gpu.match).toEqual([{ vendor: 0x1002, class: { value: 0x030000, mask: 0xff0000 } }]);
    expect(isFor(gpu, 0x1002, 0x687f, graphics)).toBe(true);
    expect(isFor(gpu, 0x1002, 0x687f, { class: 0x038000 })).toBe(true);
    expect(isFor(gpu, 0x1002, 0xaaf8, { class: 0x040300 })).toBe(false);
    expect(isFor(gpu, 0x10de, 0x687f, graphics)).toBe(false);
  });

  it('takes the whole magic value only', () => {
    const guest = viewWith(gpu, { ...device(0x1002, 0x687f, graphics), image: [[0x7c, 4, 0x00010019]] }, 'kernel');
    guest.write(0x7c, 4, 0x39d5e86b);
    expect([guest.hardware.writes, guest.refused, guest.skipped]).toEqual([[[0x7c, 4, 0x39d5e86b]], [], []]);
    guest.hardware.put(0x7c, 4, 0x00010019);
    guest.write(0x7c, 4, 0x39d5e86a);
    guest.write(0x7c, 2, 0xe86b);
    guest.write(0x7e, 2, 0x39d5);
    expect([guest.refused.length, guest.hardware.writes.length]).toEqual([3, 1]);
  });

  it('works under fields full too, where the PCI Express capability lies over the register', () => {
    const image = [...capabilityList([0x50, 0x01], [0x58, 0x10]), [0x5a, 2, 0x0012]] as const;
    const guest = viewWith(gpu, { ...device(0x1002, 0x687f, graphics), image });
    expect(guest.skipped).toEqual([]);
    guest.write(0x7c, 4, 0x39d5e86b);
    expect([guest.refused, guest.hardware.writes]).toEqual([[], [[0x7c, 4, 0x39d5e86b]]]);
  });

  it.each(['kernel', 'full'] as const)('so does one whose PCI Express lies at 0x64, fields %s', (preset) => {
    const image = [...capabilityList([0x50, 0x01], [0x64, 0x10]), [0x66, 2, 0x0012]] as const;
    const guest = viewWith(gpu, { ...device(0x1002, 0x73ff, graphics), image }, preset);
    expect(guest.skipped).toEqual([]);
    guest.write(0x7c, 4, 0x39d5e86b);
    expect([guest.refused, guest.hardware.writes]).toEqual([[], [[0x7c, 4, 0x39d5e86b]]]);
    guest.write(0x7c, 4, 0xffff_ffff);
    expect(guest.hardware.writes).toHaveLength(1);
  });
});

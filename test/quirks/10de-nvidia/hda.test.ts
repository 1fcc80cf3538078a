// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import hda from '../../../quirks/10de-nvidia/hda.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const audio = { class: 0x040300 };
const image = [...capabilityList([0x44, 0x01], [0x50, 0x05]), [0x4c, 4, 0x00a0f0f0]] as const;

describe('quirk nvidia/hda', () => {
  it('claims the bits of coherence', () => {
    expect(claims(hda)).toEqual(['4c/8 function 01', '4d/8 function 01', '4e/8 function 0f']);
  });

  it('is for the audio class of the vendor', () => {
    expect(hda.match).toEqual([{ vendor: 0x10de, class: { value: 0x040300, mask: 0xffff00 } }]);
    expect(isFor(hda, 0x10de, 0x0fb9, audio)).toBe(true);
    expect(isFor(hda, 0x10de, 0x0fb9, { class: 0x030000 })).toBe(false);
    expect(isFor(hda, 0x8086, 0x0fb9, audio)).toBe(false);
  });

  it.each(presets)('lets the driver switch coherence on, and not off, fields %s', (preset) => {
    const guest = viewWith(hda, { ...device(0x10de, 0x0fb9, audio), image }, preset);
    guest.write(0x4e, 1, guest.read(0x4e, 1) | 0x0f);
    guest.write(0x4d, 1, guest.read(0x4d, 1) | 0x01);
    guest.write(0x4c, 1, guest.read(0x4c, 1) | 0x01);
    expect([guest.hardware.get(0x4c, 4), guest.refused, guest.skipped]).toEqual([0x00aff1f1, [], []]);
    guest.write(0x4c, 4, 0x00a0f0f0);
    const why = 'coherence can only be switched on';
    expect(guest.refused).toEqual([`4c:4=1 ${why}`, `4c:4=100 ${why}`, `4c:4=f0000 ${why}`]);
    expect(guest.hardware.get(0x4c, 4)).toBe(0x00aff1f1);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import gpu from '../../../quirks/10de-nvidia/gpu.ts';
import { claims, device, isFor, presets, viewWith } from '../view.ts';

const graphics = { class: 0x030000 };

describe('quirk nvidia/gpu', () => {
  it('claims one bit', () => {
    expect(claims(gpu)).toEqual(['488/32 writable 02000000']);
  });

  it('is for display devices from 08a0 on', () => {
    expect(gpu.match).toEqual([
      { vendor: 0x10de, devices: { from: 0x08a0, to: 0xffff }, class: { value: 0x030000, mask: 0xff0000 } },
    ]);
    const ids = [0x089f, 0x08a0, 0x1b80, 0xffff];
    expect(ids.map((id) => isFor(gpu, 0x10de, id, graphics))).toEqual([false, true, true, true]);
    expect(isFor(gpu, 0x10de, 0x1b80, { class: 0x030200 })).toBe(true);
    expect(isFor(gpu, 0x10de, 0x10f0, { class: 0x040300 })).toBe(false);
    expect(isFor(gpu, 0x1002, 0x1b80, graphics)).toBe(false);
  });

  it.each(presets)('lets the driver switch the audio function on, fields %s', (preset) => {
    const guest = viewWith(gpu, { ...device(0x10de, 0x1b80, graphics), image: [[0x488, 4, 0x10000001]] }, preset);
    guest.write(0x488, 4, (guest.read(0x488, 4) | 0x02000000) >>> 0);
    expect([guest.hardware.get(0x488, 4), guest.refused, guest.skipped]).toEqual([0x12000001, [], []]);
  });
});

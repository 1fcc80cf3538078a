// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import hda from '../../../quirks/8086-intel/hda.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const audio = { class: 0x040300 };
const image = [...capabilityList([0x50, 0x01], [0x60, 0x05], [0x70, 0x10]), [0x44, 1, 0xa7]] as const;

describe('quirk intel/hda', () => {
  it('claims TCSEL and NOSNOOP', () => {
    expect(claims(hda)).toEqual(['44/8 function 07', '78/16 writable 0800']);
  });

  it('is for the audio class of four vendors', () => {
    expect(hda.match).toEqual(
      [0x8086, 0x1106, 0x1039, 0x10b9].map((vendor) => ({ vendor, class: { value: 0x040300, mask: 0xffff00 } })),
    );
    const vendors = [0x8086, 0x1106, 0x1039, 0x10b9, 0x1002, 0x10de];
    expect(vendors.map((vendor) => isFor(hda, vendor, 0x1234, audio))).toEqual([true, true, true, true, false, false]);
    expect(isFor(hda, 0x8086, 0x1234, { class: 0x040100 })).toBe(false);
    expect(isFor(hda, 0x8086, 0x1234, { class: 0x0403ff })).toBe(true);
  });

  it.each(presets)('lets the driver clear TCSEL and set NOSNOOP, fields %s', (preset) => {
    const guest = viewWith(hda, { ...device(0x8086, 0x293e, audio), image }, preset);
    guest.write(0x44, 1, guest.read(0x44, 1) & ~0x07);
    guest.write(0x78, 2, guest.read(0x78, 2) | 0x0800);
    expect(guest.refused).toEqual([]);
    expect([guest.hardware.get(0x44, 1), guest.read(0x78, 2) & 0x0800]).toEqual([0xa0, 0x0800]);
  });

  it('does not let the traffic class be set', () => {
    const guest = viewWith(hda, { ...device(0x8086, 0x293e, audio), image: [[0x44, 1, 0x02]] });
    guest.write(0x44, 1, 0xff);
    expect(guest.refused).toEqual(['44:1=f8', '44:1=5 the traffic class can only be set to 0']);
    expect(guest.hardware.get(0x44, 1)).toBe(0x02);
  });

  it('has NOSNOOP on Intel only', () => {
    const guest = viewWith(hda, device(0x1106, 0x3288, audio), 'kernel');
    guest.write(0x78, 2, 0x0800);
    expect(guest.refused).toEqual(['78:2=800']);
  });

  it('leaves NOSNOOP to the PCI Express capability under fields full: the guest has a value of its own', () => {
    const image = [...capabilityList([0x50, 0x01], [0x60, 0x05], [0x70, 0x10]), [0x72, 2, 0x0091]] as const;
    const guest = viewWith(hda, { ...device(0x8086, 0x293e, audio), image });
    expect(guest.skipped).toEqual([]);
    guest.write(0x78, 2, 0x0800);
    expect([guest.read(0x78, 2), guest.hardware.get(0x78, 2), guest.refused]).toEqual([0x0800, 0, []]);
  });
});

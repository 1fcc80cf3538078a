// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import igd from '../../../quirks/8086-intel/igd.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const at = (bus: number, slot: number, fn = 0) => bdf(0, bus, (slot << 3) | fn);
const graphics = (address = at(0, 2)) => device(0x8086, 0x9a49, { class: 0x030000, bdf: address });
const image = [
  ...capabilityList([0x40, 0x09], [0x70, 0x10], [0xac, 0x05], [0xd0, 0x01]),
  [0x50, 2, 0x01c1],
  [0x5c, 4, 0x4c800001],
  [0xfc, 4, 0x3fd12018],
] as const;

describe('quirk intel/igd', () => {
  it('claims GMCH, BDSM and ASLS', () => {
    expect(claims(igd)).toEqual(['50/16 emulated ffff', '5c/32 emulated ffffffff', 'fc/32 emulated ffffffff']);
  });

  it('is for graphics of Intel, and takes effect in the processor’s own place only', () => {
    expect(igd.match).toEqual([{ vendor: 0x8086, class: { value: 0x030000, mask: 0xffff00 }, function: 0 }]);
    expect(isFor(igd, 0x8086, 0x9a49, { class: 0x030000, bdf: at(0, 2) })).toBe(true);
    expect(isFor(igd, 0x8086, 0x9a49, { class: 0x030000, bdf: at(0, 2, 1) })).toBe(false);
    expect(isFor(igd, 0x8086, 0x9a49, { class: 0x038000, bdf: at(0, 2) })).toBe(false);
    expect(isFor(igd, 0x1002, 0x9a49, { class: 0x030000, bdf: at(0, 2) })).toBe(false);
    for (const address of [at(3, 0), at(0, 3), at(1, 2), at(0x80, 2)]) {
      const card = viewWith(igd, { ...graphics(address), image });
      card.write(0xfc, 4, 0);
      expect(card.refused).toEqual(['fc:4=3fd12018']);
    }
  });

  it.each(presets)(
    'shows the host’s addresses, then the guest’s own; hardware keeps the host’s, fields %s',
    (preset) => {
      const guest = viewWith(igd, { ...graphics(), image }, preset);
      expect([guest.read(0x50, 2), guest.read(0x5c, 4), guest.read(0xfc, 4)]).toEqual([0x01c1, 0x4c800001, 0x3fd12018]);
      guest.write(0x50, 2, 0x0041);
      guest.write(0x5c, 4, 0x7f000000);
      guest.write(0xfc, 4, 0x000fd018);
      expect([guest.read(0x50, 2), guest.read(0x5c, 4), guest.read(0xfc, 4)]).toEqual([0x0041, 0x7f000000, 0x000fd018]);
      expect([guest.refused, guest.skipped, guest.hardware.writes]).toEqual([[], [], []]);
      expect(guest.nextGuest().read(0xfc, 4)).toBe(0x3fd12018);
    },
  );
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import upd from '../../../quirks/1912-renesas/upd72020x.ts';
import rom from '../../../quirks/1912-renesas/upd72020x-rom.ts';
import { claims, device, presets, viewWith } from '../view.ts';

const controller = {
  ...device(0x1912, 0x0015, { class: 0x0c0330 }),
  image: [[0xf6, 2, 0x8000]],
  readOnly: [[0xf6, 2, 0x8070]],
} as const;

describe('quirk renesas/upd72020x-rom', () => {
  it('claims ROM status of the same devices', () => {
    expect(claims(rom)).toEqual([
      'f0/32 writable ffffffff',
      'f6/8 writable 07',
      'f6/8 reserved 70',
      'f7/8 writable 03',
    ]);
    expect(rom.match).toEqual(upd.match);
  });

  it.each(presets)('lets the driver erase, write and reload the ROM, fields %s', (preset) => {
    const guest = viewWith([upd, rom], controller, preset);
    guest.write(0xf0, 4, 0x00000700);
    guest.write(0xf8, 4, 0x5a65726f);
    guest.write(0xf6, 1, guest.read(0xf6, 1) | 0x02);
    guest.hardware.put(0xf6, 1, 0x20);
    guest.write(0xf8, 4, 0x53524f4d);
    guest.write(0xf6, 1, 0x01);
    for (const word of [0x02aa55aa, 0x12345678]) {
      guest.write(0xf8, 4, word);
      guest.write(0xf7, 1, guest.read(0xf7, 1) | 0x01);
      guest.hardware.put(0xf7, 1, 0x80);
      guest.write(0xfc, 4, word);
      guest.write(0xf7, 1, guest.read(0xf7, 1) | 0x02);
      guest.hardware.put(0xf7, 1, 0x80);
    }
    guest.write(0xf6, 1, 0x00);
    guest.write(0xf6, 1, 0x04);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    expect(guest.hardware.get(0xf6, 1) & 0x07).toBe(0x04);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import upd from '../../../quirks/1912-renesas/upd72020x.ts';
import { capabilityList, claims, device, presets, viewWith } from '../view.ts';

const CLOSED = 'no firmware download is open';
const controller = {
  ...device(0x1912, 0x0014, { class: 0x0c0330 }),
  image: [...capabilityList([0x50, 0x01], [0x70, 0x05], [0x90, 0x11], [0xa0, 0x10]), [0x6c, 4, 0x00202609]],
} as const;

describe('quirk renesas/upd72020x', () => {
  it('claims status and data of the download, on two devices', () => {
    expect(claims(upd)).toEqual([
      '6c/32 readOnly ffffffff',
      'f4/8 function 01',
      'f4/8 readOnly 02',
      'f4/8 reserved fc',
      'f5/8 function 03',
      'f8/32 function ffffffff',
      'fc/32 function ffffffff',
    ]);
    expect(upd.match).toEqual([
      { vendor: 0x1912, device: 0x0014 },
      { vendor: 0x1912, device: 0x0015 },
    ]);
  });

  it.each(presets)('lets the driver download firmware, fields %s', (preset) => {
    const guest = viewWith(upd, controller, preset);
    expect(guest.read(0x6c, 4)).toBe(0x00202609);
    guest.write(0xf4, 1, guest.read(0xf4, 1) | 0x01);
    const firmware = [0x02aa55aa, 0x11111111, 0x11111111, 0x22222222];
    for (const [index, word] of firmware.entries()) {
      guest.write(index % 2 === 0 ? 0xf8 : 0xfc, 4, word);
      guest.write(0xf5, 1, index % 2 === 0 ? 0x01 : 0x02);
      // The chip has taken the word, and shows that it is at work.
      guest.hardware.put(0xf5, 1, 0);
      guest.hardware.put(0xf4, 1, 0x01);
    }
    guest.hardware.put(0xf4, 1, 0x11);
    guest.write(0xf4, 1, 0x00);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    const written = guest.hardware.writes.filter(([offset]) => offset >= 0xf8).map(([, , value]) => value);
    expect(written).toEqual(firmware);
    expect(guest.hardware.get(0xf4, 1) & 0x01).toBe(0);
  });

  it('takes no data before a download is open, nor after it', () => {
    const guest = viewWith(upd, controller);
    const tryAll = (): void => {
      guest.write(0xf8, 4, 0x12345678);
      guest.write(0xfc, 4, 0x9abcdef0);
      guest.write(0xf5, 1, 0x03);
    };
    const all = [`f8:4=12345678 ${CLOSED}`, `fc:4=9abcdef0 ${CLOSED}`, `f5:1=3 ${CLOSED}`];
    tryAll();
    expect([guest.refused, guest.hardware.writes]).toEqual([all, []]);
    guest.write(0xf4, 1, 0x01);
    guest.write(0xf4, 1, 0x00);
    tryAll();
    expect(guest.refused).toEqual([...all, ...all]);
  });

  it('starts closed for the next guest, whatever the chip says', () => {
    const guest = viewWith(upd, controller);
    guest.write(0xf4, 1, 0x01);
    const next = guest.nextGuest();
    expect(next.read(0xf4, 1)).toBe(0x01);
    next.write(0xfc, 4, 1);
    expect(next.refused).toEqual([`fc:4=1 ${CLOSED}`]);
  });

  it('opens the data registers for the ROM: its magic values in DATA0, any value once it is open', () => {
    const guest = viewWith(upd, controller);
    guest.write(0xf8, 4, 0x5a65726f);
    guest.write(0xf8, 4, 0x53524f4d);
    expect(guest.hardware.writes.map(([, , value]) => value)).toEqual([0x5a65726f, 0x53524f4d]);
    guest.write(0xfc, 4, 0x53524f4d);
    guest.write(0xf6, 1, 0x01);
    expect(guest.refused).toEqual([`fc:4=53524f4d ${CLOSED}`, 'f6:1=1']);
    guest.hardware.put(0xf6, 1, 0x01);
    guest.write(0xfc, 4, 0x44444444);
    expect([guest.refused.length, guest.hardware.get(0xfc, 4)]).toEqual([2, 0x44444444]);
  });

  it('leaves lock, version and ROM settings alone', () => {
    const guest = viewWith(upd, controller);
    guest.write(0xf4, 1, 0x02);
    guest.write(0x6c, 4, 0);
    guest.write(0xf0, 4, 0x700);
    expect(guest.refused).toEqual(['f4:1=2', '6c:4=202609', 'f0:4=700']);
    expect(guest.hardware.get(0xf4, 1)).toBe(0);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import mmc from '../../../quirks/1180-ricoh/mmc.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const NOT_A_KEY = 'a key register takes its key and what it held before';
const LOCKED = 'the key register does not hold its key';
const reader = {
  ...device(0x1180, 0x0832),
  image: [...capabilityList([0xdc, 0x01]), [0xca, 1, 0x11], [0xcb, 1, 0x50]],
} as const;

describe('quirk ricoh/mmc', () => {
  it('claims the key and one bit', () => {
    expect(claims(mmc)).toEqual(['ca/8 function ff', 'cb/8 function 02']);
  });

  it('is for function 0 of three devices', () => {
    expect(mmc.match).toEqual([0x0832, 0xe822, 0xe823].map((device) => ({ vendor: 0x1180, device, function: 0 })));
    const ids = [0x0832, 0xe822, 0xe823, 0x0822, 0xe832];
    const at = (fn: number) => ids.map((id) => isFor(mmc, 0x1180, id, { bdf: bdf(0, 3, fn) }));
    expect(at(0)).toEqual([true, true, true, false, false]);
    expect(at(1)).toEqual([false, false, false, false, false]);
  });

  it.each(presets)('lets the driver switch the MMC function off, fields %s', (preset) => {
    const guest = viewWith(mmc, reader, preset);
    const off = guest.read(0xcb, 1);
    const before = guest.read(0xca, 1);
    guest.write(0xca, 1, 0x57);
    guest.write(0xcb, 1, off | 0x02);
    guest.write(0xca, 1, before);
    expect(guest.hardware.writes).toEqual([
      [0xca, 1, 0x57],
      [0xcb, 1, 0x52],
      [0xca, 1, 0x11],
    ]);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
  });

  it('opens the bit only while the guest’s key is in', () => {
    const guest = viewWith(mmc, reader);
    guest.write(0xcb, 1, 0x52);
    guest.write(0xca, 1, 0x56);
    guest.write(0xca, 1, 0x57);
    guest.write(0xca, 1, 0x11);
    guest.write(0xcb, 1, 0x52);
    expect(guest.refused).toEqual([`cb:1=2 ${LOCKED}`, `ca:1=47 ${NOT_A_KEY}`, `cb:1=2 ${LOCKED}`]);
    expect(guest.hardware.get(0xcb, 1)).toBe(0x50);
  });

  it('opens no other bit, and not for switching on', () => {
    const guest = viewWith(mmc, { ...reader, image: [[0xcb, 1, 0x02]] });
    guest.write(0xca, 1, 0x57);
    guest.write(0xcb, 1, 0x00);
    guest.write(0xcb, 1, 0xfe);
    expect(guest.refused).toEqual([`cb:1=2 ${LOCKED}`, 'cb:1=fc']);
    expect(guest.hardware.get(0xcb, 1)).toBe(0x02);
  });

  it('is locked for the next guest, even with the key in the register', () => {
    const guest = viewWith(mmc, reader);
    guest.write(0xca, 1, 0x57);
    const next = guest.nextGuest();
    expect(next.read(0xca, 1)).toBe(0x57);
    next.write(0xcb, 1, 0x52);
    expect(next.refused).toEqual([`cb:1=2 ${LOCKED}`]);
  });
});

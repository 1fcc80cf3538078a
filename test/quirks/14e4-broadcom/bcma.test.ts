// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import bcma from '../../../quirks/14e4-broadcom/bcma.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

/** As a BCM43224 has them: the vendor's capability reaches over the windows. */
const chip = {
  ...device(0x14e4, 0x4353, { class: 0x028000 }),
  image: capabilityList([0x48, 0x01], [0x58, 0x09], [0xd0, 0x10]),
};

describe('quirk broadcom/bcma', () => {
  it('claims the windows, interrupt registers and pins', () => {
    expect(claims(bcma)).toEqual([
      '80/32 writable ffffffff',
      '84/32 writable ffffffff',
      '88/32 readOnly ffffffef',
      '8c/32 writable ffffffff',
      '90/32 writable ffffffff',
      '94/32 writable ffffffff',
      '98/32 writable ffffffff',
      'ac/32 writable ffffffff',
      'b0/32 readOnly ffffffff',
      'b4/32 writable ffffffff',
      'b8/32 writable ffffffff',
      '41/8 function ff',
      '41/8 readOnly ff',
    ]);
  });

  it('is for 43xx', () => {
    expect(bcma.match).toEqual([{ vendor: 0x14e4, devices: { from: 0x4300, to: 0x43ff } }]);
    for (const id of [0x4300, 0x4353, 0x43ff]) expect(isFor(bcma, 0x14e4, id)).toBe(true);
    expect([isFor(bcma, 0x14e4, 0x42ff), isFor(bcma, 0x14e4, 0x4400), isFor(bcma, 0x14e5, 0x4353)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it.each(presets)('lets the driver move the windows and route interrupts, fields %s', (preset) => {
    const guest = viewWith(bcma, chip, preset);
    guest.write(0x80, 4, 0x18000000);
    guest.write(0xac, 4, 0x18103000);
    guest.write(0x94, 4, guest.read(0x94, 4) | 0x100);
    guest.write(0xb8, 4, guest.read(0xb8, 4) | 0x20);
    guest.write(0xb4, 4, guest.read(0xb4, 4) | 0x20);
    guest.write(0x40, 4, guest.read(0x40, 4) & 0xffff00ff);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    expect(guest.hardware.get(0x80, 4)).toBe(0x18000000);
  });

  it('switches RETRY_TIMEOUT off, and refuses it where the byte is a pointer', () => {
    const old = viewWith(bcma, { ...device(0x14e4, 0x4318), image: [[0x41, 1, 0x0f]] });
    old.write(0x40, 4, 0);
    expect([old.hardware.get(0x41, 1), old.refused]).toEqual([0, []]);
    old.write(0x41, 1, 1);
    expect(old.refused).toEqual(['41:1=1 it can only be switched off']);

    const image = capabilityList([0x40, 0x01], [0x58, 0x09]);
    const chained = viewWith(bcma, { ...device(0x14e4, 0x4353), image });
    chained.write(0x40, 4, chained.read(0x40, 4) & 0xffff00ff);
    expect([chained.refused, chained.skipped, chained.hardware.writes]).toEqual([['40:4=5800'], [], []]);
    expect(chained.table.claims.map((claim) => claim.owner)).toContain(
      'broadcom/bcma: no retry / next capability, not RETRY_TIMEOUT',
    );
  });

  it('keeps the SPROM write-protected', () => {
    const guest = viewWith(bcma, chip);
    guest.write(0x88, 4, 0x10);
    expect([guest.refused, guest.hardware.writes]).toEqual([['88:4=10'], []]);
  });
});

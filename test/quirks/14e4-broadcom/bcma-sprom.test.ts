// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import bcma from '../../../quirks/14e4-broadcom/bcma.ts';
import sprom from '../../../quirks/14e4-broadcom/bcma-sprom.ts';
import { claims, device, isFor, viewWith } from '../view.ts';

describe('quirk broadcom/bcma-sprom', () => {
  it('opens the write enable and nothing else, beside broadcom/bcma', () => {
    expect(claims(sprom)).toEqual(['88/32 writable 00000010']);
    const guest = viewWith([bcma, sprom], device(0x14e4, 0x4353));
    guest.write(0x88, 4, guest.read(0x88, 4) | 0x10);
    expect([guest.refused, guest.skipped, guest.hardware.get(0x88, 4)]).toEqual([[], [], 0x10]);
    guest.write(0x88, 4, 0xffffffff);
    expect([guest.refused, guest.hardware.get(0x88, 4)]).toEqual([['88:4=ffffffef'], 0x10]);
  });

  it('is for 43xx', () => {
    expect(sprom.match).toEqual([{ vendor: 0x14e4, devices: { from: 0x4300, to: 0x43ff } }]);
    expect([0x42ff, 0x4300, 0x43ff, 0x4400].map((id) => isFor(sprom, 0x14e4, id))).toEqual([false, true, true, false]);
  });
});

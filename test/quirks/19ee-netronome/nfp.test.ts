// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import nfp from '../../../quirks/19ee-netronome/nfp.ts';
import { device, viewWith } from '../view.ts';

describe('quirk netronome/nfp', () => {
  it.each([0x4000, 0x5000, 0x6000, 0x6003])('ends config space of %i at 0x600', (id) => {
    const guest = viewWith(nfp, { ...device(0x19ee, id), image: [[0x5fc, 4, 5]] });
    expect(guest.read(0x5fc, 4)).toBe(5);
    expect(() => guest.read(0x600, 4)).toThrow('status -2');
    expect(() => guest.write(0xffc, 4, 0)).toThrow('status -2');
    expect(guest.hardware.log.every(({ offset }) => offset < 0x600)).toBe(true);
  });

  it('is for four devices', () => {
    expect(nfp.match).toHaveLength(4);
  });
});

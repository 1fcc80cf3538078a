// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import vpd from '../../../quirks/1000-lsi/vpd.ts';
import { capabilityList, device, isFor, viewWith } from '../view.ts';

describe('quirk lsi/vpd', () => {
  it('hides vital product data, and drops what is written to where it is', () => {
    const image = capabilityList([0x40, 0x01], [0x60, 0x03], [0x70, 0x10]);
    const guest = viewWith(vpd, { ...device(0x1000, 0x0079), image });
    expect([guest.read(0x40, 2), guest.read(0x60, 2)]).toEqual([0x7001, 0]);
    guest.write(0x62, 2, 0x0004);
    expect([guest.refused, guest.hardware.writes, guest.skipped]).toEqual([['62:2=4'], [], []]);
  });

  it('is for eleven devices', () => {
    const ids = [0x002f, 0x005b, 0x005d, 0x005f, 0x0060, 0x0071, 0x0073, 0x0078, 0x0079, 0x007c, 0x0413];
    for (const id of ids) expect(isFor(vpd, 0x1000, id), id.toString(16)).toBe(true);
    expect(vpd.match).toHaveLength(ids.length);
    expect(isFor(vpd, 0x1000, 0x0072)).toBe(false);
  });
});

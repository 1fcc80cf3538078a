// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import vpd from '../../../quirks/1969-attansic/vpd.ts';
import { capabilityList, device, isFor, viewWith } from '../view.ts';

describe('quirk attansic/vpd', () => {
  it('hides vital product data, and drops what is written to where it is', () => {
    const image = capabilityList([0x40, 0x01], [0x60, 0x03], [0x70, 0x10]);
    const guest = viewWith(vpd, { ...device(0x1969, 0x1091), image });
    expect([guest.read(0x40, 2), guest.read(0x60, 2)]).toEqual([0x7001, 0]);
    guest.write(0x62, 2, 0x0004);
    expect([guest.refused, guest.hardware.writes, guest.skipped]).toEqual([['62:2=4'], [], []]);
  });

  it('is for every device of the vendor', () => {
    expect([isFor(vpd, 0x1969, 0), isFor(vpd, 0x1969, 0xe091), isFor(vpd, 0x1968, 0x1091)]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

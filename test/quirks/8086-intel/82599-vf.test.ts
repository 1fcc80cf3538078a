// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import vf from '../../../quirks/8086-intel/82599-vf.ts';
import { capabilityList, device, viewWith } from '../view.ts';

describe('quirk intel/82599-vf', () => {
  it('is for one device', () => {
    expect(vf.match).toEqual([{ vendor: 0x8086, device: 0x10ed }]);
  });

  it('takes PCI Express out of the list: MSI-X is the last', () => {
    const image = capabilityList([0x70, 0x11], [0xa0, 0x10]);
    const guest = viewWith(vf, { ...device(0x8086, 0x10ed), image });
    expect([guest.read(0x34, 1), guest.read(0x70, 2), guest.read(0xa0, 2)]).toEqual([0x70, 0x0011, 0]);
    expect([guest.hardware.writes, guest.skipped]).toEqual([[], []]);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import i219 from '../../../quirks/8086-intel/i219.ts';
import { capabilityList, device, viewWith } from '../view.ts';

const list = capabilityList([0xc8, 0x01], [0xd0, 0x05]);
const card = device(0x8086, 0x550a);

describe('quirk intel/i219', () => {
  it('is for one device', () => {
    expect(i219.match).toEqual([{ vendor: 0x8086, device: 0x550a }]);
  });

  it('links advanced features at 0xe0 behind MSI, for the guest only', () => {
    const guest = viewWith(i219, { ...card, image: [...list, [0xe0, 4, 0x03060013]] });
    expect([guest.read(0xd0, 2), guest.read(0xe0, 2)]).toEqual([0xe005, 0x0013]);
    expect([guest.hardware.get(0xd1, 1), guest.hardware.writes, guest.skipped]).toEqual([0, [], []]);
  });

  it('lets the guest reset the function through it', () => {
    const guest = viewWith(i219, { ...card, image: [...list, [0xe0, 4, 0x03060013]] });
    guest.write(0xe4, 1, 0x01);
    expect(guest.refused).toEqual([]);
  });

  it('does nothing where 0xe0 holds something else, or is linked', () => {
    expect(viewWith(i219, { ...card, image: [...list, [0xe0, 4, 0x03060014]] }).read(0xd1, 1)).toBe(0);
    const linked = capabilityList([0xc8, 0x01], [0xd0, 0x05], [0xe0, 0x13]);
    expect(viewWith(i219, { ...card, image: linked }).read(0xe1, 1)).toBe(0);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import citrine from '../../../quirks/1014-ibm/citrine.ts';
import { device, viewWith } from '../view.ts';

describe('quirk ibm/citrine', () => {
  it('ends config space at 0xa0', () => {
    expect(citrine.match).toEqual([{ vendor: 0x1014, device: 0x028c }]);
    const guest = viewWith(citrine, { ...device(0x1014, 0x028c, { configSize: 256 }), image: [[0x9c, 4, 5]] });
    expect(guest.read(0x9c, 4)).toBe(5);
    expect(() => guest.read(0xa0, 4)).toThrow('status -2');
    expect(() => guest.write(0xa0, 1, 0)).toThrow('status -2');
    expect(guest.hardware.log.every(({ offset }) => offset < 0xa0)).toBe(true);
  });
});

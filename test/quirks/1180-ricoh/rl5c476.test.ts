// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import rl5c476 from '../../../quirks/1180-ricoh/rl5c476.ts';
import { claims, device, isFor, viewWith } from '../view.ts';

const LOCKED = 'the key register does not hold its key';
const bridge = {
  ...device(0x1180, 0x0476, { class: 0x060700 }),
  image: [
    [0x8d, 1, 0x21],
    [0x8e, 1, 0x42],
    [0xb7, 1, 0x04],
  ],
} as const;

describe('quirk ricoh/rl5c476', () => {
  it('claims two keys and one bit, of function 0 of one device', () => {
    expect(rl5c476.match).toEqual([{ vendor: 0x1180, device: 0x0476, function: 0 }]);
    expect(claims(rl5c476)).toEqual(['8d/8 function ff', '8e/8 function ff', 'b7/8 function 02']);
    expect(isFor(rl5c476, 0x1180, 0x0476)).toBe(true);
    expect(isFor(rl5c476, 0x1180, 0x0476, { bdf: bdf(0, 3, 1) })).toBe(false);
    expect(isFor(rl5c476, 0x1180, 0x0475)).toBe(false);
  });

  it('lets the driver switch the MMC function off', () => {
    const guest = viewWith(rl5c476, bridge);
    guest.write(0x8e, 1, 0xaa);
    guest.write(0x8d, 1, 0xb7);
    guest.write(0xb7, 1, guest.read(0xb7, 1) | 0x02);
    guest.write(0x8e, 1, 0x42);
    guest.write(0x8d, 1, 0x21);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    expect([guest.hardware.get(0x8d, 2), guest.hardware.get(0xb7, 1)]).toEqual([0x4221, 0x06]);
  });

  it('wants both keys', () => {
    for (const [offset, value] of [
      [0x8e, 0xaa],
      [0x8d, 0xb7],
    ] as const) {
      const guest = viewWith(rl5c476, bridge);
      guest.write(offset, 1, value);
      guest.write(0xb7, 1, 0x06);
      expect(guest.refused).toEqual([`b7:1=2 ${LOCKED}`]);
    }
  });
});

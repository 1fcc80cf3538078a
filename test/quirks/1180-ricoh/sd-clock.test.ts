// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import mmc from '../../../quirks/1180-ricoh/mmc.ts';
import sdClock from '../../../quirks/1180-ricoh/sd-clock.ts';
import { claims, device, isFor, presets, viewWith } from '../view.ts';

const NOT_A_KEY = 'a key register takes its key and what it held before';
const LOCKED = 'the key register does not hold its key';

describe('quirk ricoh/sd-clock', () => {
  it('claims two keys and what they open', () => {
    expect(claims(sdClock)).toEqual(['f9/8 function ff', '150/8 function ff', 'fc/8 function ff', 'e1/8 function ff']);
  });

  it('is for function 0 of two devices', () => {
    expect(sdClock.match).toEqual([0xe822, 0xe823].map((device) => ({ vendor: 0x1180, device, function: 0 })));
    expect([0xe822, 0xe823, 0x0832].map((id) => isFor(sdClock, 0x1180, id))).toEqual([true, true, false]);
    expect(isFor(sdClock, 0x1180, 0xe822, { bdf: bdf(0, 3, 1) })).toBe(false);
  });

  it.each(presets)('lets the driver set 50 MHz, beside ricoh/mmc, fields %s', (preset) => {
    const guest = viewWith([mmc, sdClock], device(0x1180, 0xe823), preset);
    const sequence = [
      [0xf9, 1, 0xfc],
      [0x150, 1, 0x10],
      [0xf9, 1, 0x00],
      [0xfc, 1, 0x01],
      [0xe1, 1, 0x32],
      [0xfc, 1, 0x00],
    ] as const;
    for (const [offset, size, value] of sequence) guest.write(offset, size, value);
    expect(guest.hardware.writes).toEqual(sequence);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
  });

  it('takes the keys and these values only, each key for its own register', () => {
    const guest = viewWith(sdClock, { ...device(0x1180, 0xe822), image: [[0xf9, 1, 0x07]] });
    guest.write(0x150, 1, 0x10);
    guest.write(0xe1, 1, 0x32);
    guest.write(0xf9, 1, 0xfd);
    guest.write(0xf9, 1, 0xfc);
    guest.write(0xe1, 1, 0x32);
    guest.write(0x150, 1, 0x11);
    guest.write(0xf9, 1, 0x07);
    guest.write(0x150, 1, 0x10);
    guest.write(0xfc, 1, 0x01);
    guest.write(0xe1, 1, 0x33);
    expect(guest.refused).toEqual([
      `150:1=10 ${LOCKED}`,
      `e1:1=32 ${LOCKED}`,
      `f9:1=fa ${NOT_A_KEY}`,
      `e1:1=32 ${LOCKED}`,
      `150:1=11 ${LOCKED}`,
      `150:1=10 ${LOCKED}`,
      `e1:1=33 ${LOCKED}`,
    ]);
  });

  it('locks again with zero, whatever the key register held at first, and writes the whole target', () => {
    for (const [keyAt, key, target, value] of [
      [0xf9, 0xfc, 0x150, 0x10],
      [0xfc, 0x01, 0xe1, 0x32],
    ] as const) {
      const image = [
        [keyAt, 1, 0x07],
        [target, 1, 0xcd],
      ] as const;
      const guest = viewWith(sdClock, { ...device(0x1180, 0xe822), image });
      guest.write(keyAt, 1, key);
      guest.write(target, 1, value);
      guest.write(keyAt, 1, 0x00);
      expect([guest.hardware.get(target, 1), guest.hardware.get(keyAt, 1), guest.refused]).toEqual([value, 0, []]);
      guest.hardware.put(target, 1, 0xcd);
      guest.write(target, 1, value);
      guest.write(keyAt, 1, 0x80);
      expect(guest.refused).toEqual([
        `${target.toString(16)}:1=${(value ^ 0xcd).toString(16)} ${LOCKED}`,
        `${keyAt.toString(16)}:1=80 ${NOT_A_KEY}`,
      ]);
    }
  });
});

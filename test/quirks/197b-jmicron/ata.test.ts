// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import ata from '../../../quirks/197b-jmicron/ata.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const WHY = 'the driver splits the ports in one way only';
/** Bits that the driver clears before it sets the chip's. */
const CLEARED = 0x00cff302;

const chips = [
  [0x2360, 0x0002a100, 0],
  [0x2361, 0x00c2a1b3, 0],
  [0x2362, 0x0002a100, 0],
  [0x2363, 0x00c2a1b3, 0],
  [0x2364, 0x0002a100, 0],
  [0x2365, 0x00c2a1b3, 0x01000000],
  [0x2366, 0x00c2a1b3, 0x01000000],
  [0x2368, 0x00c00000, 0],
  [0x2369, 0x00c2a1b3, 0],
] as const;

describe('quirk jmicron/ata', () => {
  it('claims the bits that decide on the ports', () => {
    expect(claims(ata)).toEqual([
      '40/32 function 00cff302',
      '80/32 function 01000000',
      '40/32 function 00cff3b3',
      '80/32 function 01000000',
      '40/32 function 00cff3b3',
      '80/32 function 01000000',
      '40/32 function 00cff302',
      '80/32 function 01000000',
    ]);
  });

  it('is for function 0 of 2360 to 2369', () => {
    expect(ata.match).toEqual([{ vendor: 0x197b, devices: { from: 0x2360, to: 0x2369 }, function: 0 }]);
    const ids = [0x235f, 0x2360, 0x2369, 0x236a];
    expect(ids.map((id) => isFor(ata, 0x197b, id, { bdf: bdf(0, 3, 0) }))).toEqual([false, true, true, false]);
    expect(isFor(ata, 0x197b, 0x2363, { bdf: bdf(0, 3, 1) })).toBe(false);
  });

  it.each(chips.flatMap((chip) => presets.map((preset) => [...chip, preset] as const)))(
    'lets the driver split the ports of %i, fields',
    (id, ports, second, preset) => {
      const image = [...capabilityList([0x68, 0x01]), [0x40, 4, 0x5fffff4c], [0x80, 4, 0xfe123456]] as const;
      const guest = viewWith(ata, { ...device(0x197b, id), image }, preset);
      const one = ((guest.read(0x40, 4) & ~CLEARED) | ports) >>> 0;
      const five = ((guest.read(0x80, 4) & ~0x01000000) | second) >>> 0;
      guest.write(0x40, 4, one);
      guest.write(0x80, 4, five);
      expect([guest.refused, guest.skipped]).toEqual([[], []]);
      const open = (CLEARED | ports) >>> 0;
      expect(guest.hardware.get(0x40, 4)).toBe(((0x5fffff4c & ~open) | (one & open)) >>> 0);
      expect(guest.hardware.get(0x80, 4)).toBe(five);
    },
  );

  it('takes no other split', () => {
    const guest = viewWith(ata, device(0x197b, 0x2363));
    guest.write(0x40, 4, 0x0002a100);
    guest.write(0x40, 4, 0x00c2a1b2);
    guest.write(0x80, 4, 0x01000000);
    expect(guest.refused).toEqual([`40:4=2a100 ${WHY}`, `40:4=c2a1b2 ${WHY}`, `80:4=1000000 ${WHY}`]);
    expect(guest.hardware.writes).toEqual([]);
  });
});

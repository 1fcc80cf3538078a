// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import wifi from '../../../quirks/168c-atheros/wifi.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const card = device(0x168c, 0x001b, { class: 0x020000 });

describe('quirk atheros/wifi', () => {
  it('leaves the latency timer to the header, which refuses it', () => {
    const guest = viewWith(wifi, card);
    guest.write(0x0c, 1, 0x08);
    guest.write(0x0d, 1, 0xa8);
    expect([guest.refused, guest.hardware.writes]).toEqual([['0d:1=a8'], [[0x0c, 1, 0x08]]]);
  });

  it('claims the byte at 0x41, as a register or as a pointer', () => {
    expect(claims(wifi)).toEqual(['41/8 function ff', '41/8 readOnly ff']);
  });

  it('is for the wireless controllers of the vendor', () => {
    expect(wifi.match).toEqual([{ vendor: 0x168c, class: { value: 0x020000, mask: 0xff0000 } }]);
    for (const id of [0x0013, 0x001b, 0x003e]) expect(isFor(wifi, 0x168c, id, { class: 0x020000 })).toBe(true);
    expect(isFor(wifi, 0x168c, 0x001b, { class: 0x030000 })).toBe(false);
    expect(isFor(wifi, 0x10ec, 0x001b, { class: 0x020000 })).toBe(false);
  });

  it.each(presets)(
    'lets the driver switch RETRY_TIMEOUT off, by a byte or by the word around it, fields %s',
    (preset) => {
      const image = capabilityList([0xdc, 0x01]);
      const guest = viewWith(wifi, { ...card, image: [...image, [0x40, 4, 0x12345678]] }, preset);
      guest.write(0x40, 4, guest.read(0x40, 4) & 0xffff00ff);
      expect(guest.hardware.writes).toEqual([[0x41, 1, 0]]);
      guest.hardware.put(0x41, 1, 0x80);
      guest.write(0x41, 1, 0);
      expect([guest.hardware.get(0x40, 4), guest.refused, guest.skipped]).toEqual([0x12340078, [], []]);
    },
  );

  it('refuses every other value', () => {
    const guest = viewWith(wifi, { ...card, image: [[0x41, 1, 0x80]] });
    for (const value of [0x01, 0x80, 0xff]) guest.write(0x41, 1, value);
    expect(guest.refused).toEqual(['41:1=81 it can only be switched off', '41:1=7f it can only be switched off']);
    expect(guest.hardware.writes).toEqual([]);
  });

  it('does not let the pointer of a capability at 0x40 be lost, and says what the byte is', () => {
    const image = capabilityList([0xc8, 0x01], [0xd0, 0x05], [0x40, 0x10], [0x80, 0x11]);
    const guest = viewWith(wifi, { ...card, image });
    guest.write(0x41, 1, 0);
    expect([guest.read(0x41, 1), guest.refused, guest.hardware.writes]).toEqual([0x80, ['41:1=80'], []]);
    expect(guest.skipped).toEqual([]);
    const owners = guest.table.claims.filter((claim) => claim.dword === 0x40 && (claim.mask & 0xff00) !== 0);
    expect(owners.map((claim) => claim.owner)).toContain('atheros/wifi: no retry / next capability, not RETRY_TIMEOUT');
  });
});

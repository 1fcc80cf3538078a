// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import firmwareWindow from '../../../quirks/15b3-mellanox/firmware-window.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const VSC = 0xc0;
const [CONTROL, COUNTER, SEMAPHORE, ADDRESS, DATA] = [VSC + 4, VSC + 8, VSC + 0xc, VSC + 0x10, VSC + 0x14];
const card = {
  ...device(0x15b3, 0x1017),
  image: [
    ...capabilityList([0x60, 0x10], [0x48, 0x03], [0x9c, 0x11], [VSC, 0x09], [0x40, 0x01]),
    [CONTROL, 4, 0x20000000],
    [COUNTER, 4, 0x2a],
  ],
  readOnly: [
    [CONTROL + 2, 2, 0xffff],
    [COUNTER, 4, 0xffffffff],
  ],
} as const;
const NOT_HELD = 'the guest does not hold the semaphore of the window';

describe('quirk mellanox/firmware-window', () => {
  it('claims the vendor’s capability, or the old window', () => {
    expect(claims(firmwareWindow)).toEqual([
      'cap 09 +04/16 function ffff',
      'cap 09 +06/16 reserved e000',
      'cap 09 +08/32 readOnly ffffffff',
      'cap 09 +0c/32 function ffffffff',
      'cap 09 +10/32 function ffffffff',
      'cap 09 +14/32 function ffffffff',
      '58/32 writable ffffffff',
      '5c/32 writable ffffffff',
    ]);
  });

  it('is for network adapters of the vendor', () => {
    expect(firmwareWindow.match).toEqual([{ vendor: 0x15b3, class: { value: 0x020000, mask: 0xff0000 } }]);
    expect(isFor(firmwareWindow, 0x15b3, 0x1017)).toBe(true);
    expect(isFor(firmwareWindow, 0x15b3, 0x1011, { class: 0x020700 })).toBe(true);
    expect(isFor(firmwareWindow, 0x15b3, 0x1979, { class: 0x060400 })).toBe(false);
    expect(isFor(firmwareWindow, 0x15b4, 0x1017)).toBe(false);
  });

  it.each(presets)('lets the driver take a ticket, choose a space, read, write and let go, fields %s', (preset) => {
    const guest = viewWith(firmwareWindow, card, preset);
    expect(guest.read(SEMAPHORE, 4)).toBe(0);
    const ticket = guest.read(COUNTER, 4);
    guest.write(SEMAPHORE, 4, ticket);
    expect(guest.read(SEMAPHORE, 4)).toBe(ticket);
    guest.write(CONTROL, 4, ((guest.read(CONTROL, 4) & 0xffff0000) | 0x0007) >>> 0);
    expect(guest.hardware.get(CONTROL, 4)).toBe(0x20000007);
    guest.write(ADDRESS, 4, 0x00f0014);
    guest.hardware.put(ADDRESS, 4, 0x800f0014);
    guest.read(DATA, 4);
    guest.write(DATA, 4, 0xcafe0001);
    guest.write(ADDRESS, 4, 0x800f0018);
    guest.write(SEMAPHORE, 4, 0);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    expect([guest.hardware.get(DATA, 4), guest.hardware.get(SEMAPHORE, 4)]).toEqual([0xcafe0001, 0]);
  });

  it('keeps the window shut without the semaphore', () => {
    const guest = viewWith(firmwareWindow, card);
    const tryAll = (): void => {
      guest.write(CONTROL, 2, 0x0002);
      guest.write(ADDRESS, 4, 0x800f0018);
      guest.write(DATA, 4, 1);
    };
    const all = [`c4:2=2 ${NOT_HELD}`, `d0:4=800f0018 ${NOT_HELD}`, `d4:4=1 ${NOT_HELD}`];
    tryAll();
    expect([guest.refused, guest.hardware.writes]).toEqual([all, []]);
    guest.write(SEMAPHORE, 4, 0x2a);
    guest.write(SEMAPHORE, 4, 0);
    tryAll();
    expect(guest.refused).toEqual([...all, ...all]);
  });

  it('does not take a ticket that hardware refused for one', () => {
    const taken = { ...card, readOnly: [...card.readOnly, [SEMAPHORE, 4, 0xffffffff]] } as const;
    const guest = viewWith(firmwareWindow, taken);
    guest.hardware.put(SEMAPHORE, 4, 0x29);
    guest.write(SEMAPHORE, 4, 0x2a);
    guest.write(DATA, 4, 1);
    expect(guest.refused).toEqual([`d4:4=1 ${NOT_HELD}`]);
    guest.write(SEMAPHORE, 4, 0);
    expect(guest.refused[1]).toBe('cc:4=29 somebody else holds the semaphore');
  });

  it('does not hand the semaphore on to the next guest', () => {
    const guest = viewWith(firmwareWindow, card);
    guest.write(SEMAPHORE, 4, 0x2a);
    const next = guest.nextGuest();
    next.write(DATA, 4, 1);
    expect(next.refused).toEqual([`d4:4=1 ${NOT_HELD}`]);
  });

  it.each(presets)('has the old window where that capability is missing, fields %s', (preset) => {
    const guest = viewWith(firmwareWindow, { ...device(0x15b3, 0x1003), image: capabilityList([0x40, 0x01]) }, preset);
    guest.write(0x58, 4, 0x000f0014);
    guest.write(0x5c, 4, 0x12345678);
    expect([guest.refused, guest.skipped, guest.hardware.writes.length]).toEqual([[], [], 2]);
  });

  it('has it neither beside the capability nor on a virtual function', () => {
    const virtual = device(0x15b3, 0x1004, { virtualFunction: true });
    for (const settings of [card, virtual]) {
      const guest = viewWith(firmwareWindow, settings);
      guest.write(0x58, 4, 1);
      guest.write(0x5c, 4, 1);
      expect(guest.refused).toEqual(['58:4=1', '5c:4=1']);
    }
  });
});

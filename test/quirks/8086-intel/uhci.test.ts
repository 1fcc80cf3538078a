// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import uhci from '../../../quirks/8086-intel/uhci.ts';
import { claims, device, isFor, presets, viewWith } from '../view.ts';

const usb = { class: 0x0c0300 };
const controller = {
  ...device(0x8086, 0x2934, usb),
  image: [[0xc0, 2, 0xdf7f]],
  clearedByOne: [[0xc0, 2, 0x8f00]],
  readOnly: [[0xc0, 2, 0x5040]],
} as const;

describe('quirk intel/uhci', () => {
  it('claims USBLEGSUP', () => {
    expect(claims(uhci)).toEqual([
      'c0/8 function bf',
      'c0/8 reserved 40',
      'c1/8 clearedByOne 8f',
      'c1/8 writable 20',
      'c1/8 reserved 50',
    ]);
  });

  it('is for UHCI of Intel and VIA', () => {
    expect(uhci.match).toEqual(
      [0x8086, 0x1106].map((vendor) => ({ vendor, class: { value: 0x0c0300, mask: 0xffffff } })),
    );
    expect([0x8086, 0x1106, 0x1002].map((vendor) => isFor(uhci, vendor, 0x2934, usb))).toEqual([true, true, false]);
    for (const other of [0x0c0310, 0x0c0320, 0x0c0330]) {
      expect(isFor(uhci, 0x8086, 0x2934, { class: other })).toBe(false);
    }
  });

  it.each(presets)('lets the driver take the controller over, fields %s', (preset) => {
    const guest = viewWith(uhci, controller, preset);
    guest.write(0xc0, 2, 0x8f00);
    expect(guest.hardware.get(0xc0, 2)).toBe(0x5040);
    guest.write(0xc0, 2, 0x2000);
    expect([guest.hardware.get(0xc0, 2), guest.refused, guest.skipped]).toEqual([0x7040, [], []]);
  });

  it('does not let a guest have SMI raised', () => {
    const guest = viewWith(uhci, { ...controller, image: [[0xc0, 2, 0x0010]] });
    guest.write(0xc0, 2, 0x00bf);
    expect(guest.refused).toEqual(['c0:2=af a guest cannot have SMI raised']);
    expect(guest.hardware.get(0xc0, 2)).toBe(0x0010);
  });
});

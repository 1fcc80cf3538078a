// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import xhci from '../../../quirks/8086-intel/xhci.ts';
import { capabilityList, claims, device, isFor, presets, viewWith } from '../view.ts';

const usb = { class: 0x0c0330 };

describe('quirk intel/xhci', () => {
  it('claims the routing registers and their masks', () => {
    expect(claims(xhci)).toEqual([
      'd0/32 writable ffffffff',
      'd4/32 readOnly ffffffff',
      'd8/32 writable ffffffff',
      'dc/32 readOnly ffffffff',
    ]);
  });

  it('is for xHCI of Intel', () => {
    expect(xhci.match).toEqual([{ vendor: 0x8086, class: { value: 0x0c0330, mask: 0xffffff } }]);
    expect(isFor(xhci, 0x8086, 0x1e31, usb)).toBe(true);
    expect(isFor(xhci, 0x1b21, 0x1e31, usb)).toBe(false);
    expect(isFor(xhci, 0x8086, 0x1e31, { class: 0x0c0320 })).toBe(false);
  });

  it.each(presets)('lets the driver route the ports that the masks name, fields %s', (preset) => {
    const image = [...capabilityList([0x70, 0x01], [0x80, 0x05]), [0xd4, 4, 0x0f], [0xdc, 4, 0x03]] as const;
    const guest = viewWith(xhci, { ...device(0x8086, 0x1e31, usb), image }, preset);
    guest.write(0xd8, 4, guest.read(0xdc, 4));
    guest.write(0xd0, 4, guest.read(0xd4, 4));
    expect(guest.hardware.writes).toEqual([
      [0xd8, 4, 0x03],
      [0xd0, 4, 0x0f],
    ]);
    expect([guest.refused, guest.skipped]).toEqual([[], []]);
    guest.write(0xd4, 4, 0xff);
    expect(guest.refused).toEqual(['d4:4=f0']);
  });
});

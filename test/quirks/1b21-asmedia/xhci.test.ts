// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import xhci from '../../../quirks/1b21-asmedia/xhci.ts';
import { claims, device, isFor, presets, viewWith } from '../view.ts';

const usb = { class: 0x0c0330 };

describe('quirk asmedia/xhci', () => {
  it('claims the command register and its data', () => {
    expect(claims(xhci)).toEqual(['e0/8 writable 02', 'f8/32 writable ffffffff', 'fc/32 writable ffffffff']);
  });

  it('is for xHCI of the vendor', () => {
    expect(xhci.match).toEqual([{ vendor: 0x1b21, class: { value: 0x0c0330, mask: 0xffffff } }]);
    expect(isFor(xhci, 0x1b21, 0x1042, usb)).toBe(true);
    expect(isFor(xhci, 0x1b21, 0x0612, { class: 0x010601 })).toBe(false);
    expect(isFor(xhci, 0x8086, 0x1042, usb)).toBe(false);
  });

  it.each(presets)('lets the driver hand a command over, fields %s', (preset) => {
    const guest = viewWith(xhci, device(0x1b21, 0x1042, usb), preset);
    for (const [first, second] of [
      [0x01020304, 0],
      [0xba, 0],
    ] as const) {
      guest.write(0xf8, 4, first);
      guest.write(0xfc, 4, second);
      guest.write(0xe0, 1, 0x02);
    }
    expect([guest.refused, guest.skipped, guest.hardware.writes.length]).toEqual([[], [], 6]);
  });
});

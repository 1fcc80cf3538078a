// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import ehci from '../../../quirks/8086-intel/ehci.ts';
import { claims, device, isFor, presets, viewWith } from '../view.ts';

const usb = { class: 0x0c0320 };
const controller = {
  ...device(0x8086, 0x293a, usb),
  image: [
    [0x68, 4, 0x00010001],
    [0x6c, 4, 0xe03fe03f],
  ],
  clearedByOne: [[0x6e, 2, 0xe000]],
  readOnly: [[0x6e, 2, 0x003f]],
} as const;

describe('quirk intel/ehci', () => {
  it('claims the owners, enables and status of legacy support', () => {
    expect(claims(ehci)).toEqual([
      '6a/8 function 01',
      '6b/8 writable 01',
      '6c/16 function e03f',
      '6e/16 clearedByOne e000',
      '6e/16 reserved 003f',
    ]);
  });

  it('is for EHCI of Intel, where legacy support is at 0x68', () => {
    expect(ehci.match).toEqual([{ vendor: 0x8086, class: { value: 0x0c0320, mask: 0xffffff } }]);
    expect(isFor(ehci, 0x8086, 0x293a, usb)).toBe(true);
    expect(isFor(ehci, 0x1002, 0x293a, usb)).toBe(false);
    expect(isFor(ehci, 0x8086, 0x293a, { class: 0x0c0330 })).toBe(false);
    const other = viewWith(ehci, { ...device(0x8086, 0x293a, usb), image: [[0x68, 4, 0x00010002]] });
    other.write(0x6b, 1, 1);
    expect(other.refused).toEqual(['6b:1=1']);
  });

  it.each(presets)('lets the driver ask for the controller, take it and switch SMI off, fields %s', (preset) => {
    const guest = viewWith(ehci, controller, preset);
    guest.write(0x6b, 1, 1);
    guest.write(0x6a, 1, 0);
    guest.write(0x6c, 4, 0);
    expect([guest.hardware.get(0x68, 4), guest.hardware.get(0x6c, 4)]).toEqual([0x01000001, 0xe03f0000]);
    guest.write(0x6c, 4, 0xe0000000);
    expect([guest.hardware.get(0x6c, 4), guest.refused, guest.skipped]).toEqual([0x003f0000, [], []]);
  });

  it('does not let a guest give it back, or have SMI raised', () => {
    const guest = viewWith(ehci, { ...controller, image: [[0x68, 4, 0x01000001]] });
    guest.write(0x6a, 1, 1);
    guest.write(0x6c, 2, 0xffff);
    expect(guest.refused).toEqual([
      '6a:1=1 a guest cannot give the controller back to the firmware',
      '6c:2=1fc0',
      '6c:2=e03f a guest cannot have SMI raised',
    ]);
    expect(guest.hardware.writes).toEqual([]);
  });
});

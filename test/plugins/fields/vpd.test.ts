// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Status } from '../../../core/ring/layout.ts';
import vpd, { vitalProductData } from '../../../plugins/fields/vpd.ts';
import { type GuestView, guestView } from '../../kit/guest-view.ts';

const AT = 0xd0;
const ADDRESS = AT + 2;
const DATA = AT + 4;

const view = (): GuestView =>
  guestView([vitalProductData], {
    image: [
      [0x06, 2, 0x0010],
      [0x34, 1, AT],
      [AT, 4, 0x0010_0003],
      [DATA, 4, 0x11223344],
    ],
  });

describe('vpd', () => {
  it('reads are hardware’s, whole, in parts and over both registers', () => {
    const guest = view();
    expect(guest.read(ADDRESS, 2)).toBe(0x0010);
    expect(guest.read(ADDRESS, 1)).toBe(0x10);
    expect(guest.read(AT, 4)).toBe(0x0010_0003);
    expect(guest.read(DATA, 4)).toBe(0x11223344);
    expect(guest.read(DATA + 2, 2)).toBe(0x1122);
    expect(guest.read(DATA + 3, 1)).toBe(0x11);
  });

  it('an address without the flag goes to hardware, also with its list header', () => {
    const guest = view();
    expect(guest.write(ADDRESS, 2, 0x0024)).toBe(0);
    expect(guest.write(AT, 4, 0x0028_ffff)).toBe(0);
    expect(guest.write(ADDRESS, 1, 0x2c)).toBe(0);
    expect(guest.hardware.writes).toEqual([
      [ADDRESS, 2, 0x0024],
      [ADDRESS, 2, 0x0028],
      [ADDRESS, 2, 0x002c],
    ]);
    expect(guest.hardware.get(AT, 2)).toBe(0x0003);
  });

  it('an address with the flag is a write of data: access_denied', () => {
    const guest = view();
    expect(guest.write(ADDRESS, 2, 0x8024)).toBe(Status.accessDenied);
    expect(guest.write(ADDRESS + 1, 1, 0x80)).toBe(Status.accessDenied);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused).toMatchObject([
      { offset: ADDRESS, mask: 0x8000 },
      { offset: ADDRESS + 1, mask: 0x80 },
    ]);
  });

  it('D-C7: access_denied also when the write reaches a second register', () => {
    expect(view().write(AT, 4, 0x8024_0003)).toBe(Status.accessDenied);
  });

  it('the data register takes no write', () => {
    const guest = view();
    expect(guest.write(DATA, 4, 0)).toBe(0);
    expect(guest.write(DATA + 1, 1, 0)).toBe(0);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused.length).toBe(2);
  });

  it('the plugin is a plugin', () => {
    expect(vpd).toMatchObject({ kind: 'plugin', name: 'fields/vpd', api: '^1.0' });
  });
});

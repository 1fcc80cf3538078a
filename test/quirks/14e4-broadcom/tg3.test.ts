// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { matches } from '../../../core/quirk/quirk.ts';
import { endpointHeader } from '../../../plugins/fields/header.ts';
import tg3 from '../../../quirks/14e4-broadcom/tg3.ts';
import { FakeDevice, FakeFunction } from '../../kit/fake-function.ts';
import { type GuestView, viewOf } from '../../kit/guest-view.ts';

const offsets = [0x68, 0x70, 0x78, 0x7c, 0x80, 0x84, 0x90, 0x98, 0x9c, 0xa0, 0xa4];

/** As the list of 2006 has them. */
const listed: Readonly<Record<string, string>> = {
  '14e4':
    '1644 1645 1646 1647 1648 164d 1653 1654 165d 165e 16a6 16a7 16a8 16c6 16c7 1696 169c 169d 170d 1649 166e 1658 1659 1676 1677 167c 167d 167e 1600 1601 16f7 16fd 16fe 1668 1678 166a 166b 16dd',
  '1148': '4400 4500',
  '173b': '03e8 03e9 03eb 03ea',
  '106b': '1645',
};

const view = (): GuestView => viewOf(new FakeDevice(new FakeFunction()), [endpointHeader, ...tg3.sets]);

describe('quirk broadcom/tg3', () => {
  it('names 45 devices of four vendors, each once', () => {
    const count = (vendor: number) => tg3.match.filter((one) => one.vendor === vendor).length;
    expect([0x14e4, 0x1148, 0x173b, 0x106b].map(count)).toEqual([38, 2, 4, 1]);
    expect(new Set(tg3.match.map(({ vendor, device }) => `${vendor}:${device}`)).size).toBe(45);
  });

  it('names the devices of the list', () => {
    const wanted = Object.entries(listed).flatMap(([vendor, devices]) =>
      devices.split(' ').map((device) => `${vendor}:${device}`),
    );
    const four = (id: number | undefined): string => (id ?? 0).toString(16).padStart(4, '0');
    expect(tg3.match.map(({ vendor, device }) => `${four(vendor)}:${four(device)}`).sort()).toEqual(wanted.sort());
  });

  it('matches its devices and no other of the vendor', () => {
    const identity = (vendor: number, device: number) => new FakeFunction({ identity: { vendor, device } }).identity;
    for (const device of [0x1644, 0x1659, 0x169d, 0x16dd, 0x1600])
      expect(matches(tg3, identity(0x14e4, device))).toBe(true);
    expect(matches(tg3, identity(0x106b, 0x1645))).toBe(true);
    expect(matches(tg3, identity(0x173b, 0x03ea))).toBe(true);
    for (const device of [0x164a, 0x1657, 0x43a0]) expect(matches(tg3, identity(0x14e4, device))).toBe(false);
    expect(matches(tg3, identity(0x1148, 0x1645))).toBe(false);
  });

  it('opens its eleven registers, whole and in parts', () => {
    for (const offset of offsets) {
      const guest = view();
      guest.write(offset, 4, 0xa5a5a5a5);
      guest.write(offset + 1, 1, 0x3c);
      guest.write(offset + 2, 2, 0x1234);
      expect(guest.read(offset, 4)).toBe(0x12343ca5);
      expect(guest.hardware.get(offset, 4)).toBe(0x12343ca5);
    }
  });

  it('opens nothing else', () => {
    const guest = view();
    for (let offset = 0x40; offset < 0x100; offset += 4) guest.write(offset, 4, 0xffffffff);
    const written = guest.hardware.writes.map(([offset]) => offset);
    expect(written).toEqual(offsets);
  });
});

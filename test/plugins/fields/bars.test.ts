// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { type PciResource, ResourceFlag } from '../../../core/platform/pci.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import plugin, { bridgeHeader, endpointHeader } from '../../../plugins/fields/header.ts';
import { type GuestView, guestView, viewOf } from '../../kit/guest-view.ts';

const absent: PciResource = { start: 0n, size: 0n, flags: 0 };
const memory = (start: bigint, size: bigint, flags = 0): PciResource => ({
  start,
  size,
  flags: ResourceFlag.memory | flags,
});
const io = (start: bigint, size: bigint): PciResource => ({ start, size, flags: ResourceFlag.io | 0x1 });
const wide = (start: bigint, size: bigint): PciResource =>
  memory(start, size, ResourceFlag.memory64 | ResourceFlag.prefetch | 0xc);

const resources = [
  memory(0xfebc0000n, 0x20000n), //     BAR 0
  io(0xc040n, 0x20n), //                BAR 1
  wide(0x3_8000_0000n, 0x4000n), //     BAR 2 and 3
  absent, //                            the upper half
  absent, //                            BAR 4
  memory(0xfe000000n, 0x1000n, ResourceFlag.disabled), // BAR 5
  memory(0xfeb80000n, 0x40000n), //     ROM
];

/** Register, what it shows, what it shows after all ones. */
const rows = [
  ['BAR 0, memory', 0x10, 0xfebc0000, 0xfffe0000],
  ['BAR 1, IO', 0x14, 0x0000c041, 0xffffffe1],
  ['BAR 2, low half of 64 bits', 0x18, 0x8000000c, 0xffffc00c],
  ['BAR 3, upper half', 0x1c, 0x00000003, 0xffffffff],
  ['BAR 4, absent', 0x20, 0, 0],
  ['BAR 5, disabled', 0x24, 0, 0],
  ['ROM', 0x30, 0xfeb80000, 0xfffc0000],
] as const;

const view = (list: readonly PciResource[] = resources, image: readonly [number, 4, number][] = []): GuestView =>
  guestView([endpointHeader], {
    resources: list,
    image: [...rows.map(([, offset, address]) => [offset, 4, address] as const), ...image],
  });

describe('base address registers', () => {
  it.each(rows)('%s: reads whole and in parts', (_name, offset, address) => {
    const guest = view();
    expect(guest.read(offset, 4)).toBe(address);
    for (const byte of [0, 1, 2, 3]) expect(guest.read(offset + byte, 1)).toBe((address >>> (8 * byte)) & 0xff);
    expect(guest.read(offset, 2)).toBe(address & 0xffff);
    expect(guest.read(offset + 2, 2)).toBe(address >>> 16);
  });

  it.each(rows)('%s: all ones, then the size, then the address again', (_name, offset, address, length) => {
    const guest = view();
    expect(guest.write(offset, 4, 0xffffffff)).toBe(0);
    expect(guest.read(offset, 4)).toBe(length);
    expect(guest.write(offset, 4, address)).toBe(0);
    expect(guest.read(offset, 4)).toBe(address);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused).toEqual([]);
  });

  it.each([
    ['IO, without its type bits', 0x14, 0xfffffffc, 0xffffffe1],
    ['memory, without its type bits', 0x10, 0xfffffff0, 0xfffe0000],
    ['upper half takes the exact value only', 0x1c, 0xfffffff0, 0x00000003],
    ['IO takes no more than two bits less', 0x14, 0xfffffff8, 0x0000c041],
    ['memory takes no more than four bits less', 0x10, 0xffffffe0, 0xfebc0000],
    ['ROM, without the enable bit', 0x30, 0xfffffffe, 0xfffc0000],
    ['ROM, address bits only', 0x30, 0xfffff800, 0xfffc0000],
    ['ROM takes no more than eleven bits less', 0x30, 0xfffff000, 0xfeb80000],
  ])('sizing: %s', (_name, offset, written, shown) => {
    const guest = view();
    guest.write(offset, 4, written);
    expect(guest.read(offset, 4)).toBe(shown);
    expect(guest.hardware.writes).toEqual([]);
  });

  it('D-C9: sizing in smaller writes shows nothing', () => {
    for (const [, offset, address] of rows) {
      const guest = view();
      guest.write(offset, 2, 0xffff);
      guest.write(offset + 2, 2, 0xffff);
      for (const byte of [0, 1, 2, 3]) guest.write(offset + byte, 1, 0xff);
      expect(guest.read(offset, 4)).toBe(address);
      expect(guest.hardware.writes).toEqual([]);
    }
  });

  it.each([
    ['BAR 0', 0x10, 0xe0000000, 0xe0000000 ^ 0xfebc0000],
    ['BAR 1', 0x14, 0x0000d041, 0x00001000],
    ['upper half', 0x1c, 0x00000001, 0x00000002],
    ['ROM', 0x30, 0xfeb00000, 0x00080000],
    ['ROM enable', 0x30, 0xfeb80001, 0x00000001],
  ])('a guest cannot move %s, and the refusal is recorded', (_name, offset, written, mask) => {
    const guest = view();
    const before = guest.read(offset, 4);
    expect(guest.write(offset, 4, written)).toBe(0);
    expect(guest.read(offset, 4)).toBe(before);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused.map((refusal) => refusal.mask)).toEqual([mask]);
    expect(guest.refused[0]?.why).toMatch(/^a guest cannot /);
  });

  it.each([
    ['type bits', 0x18, 0x80000000],
    ['bits below the size', 0x10, 0xfebc1ff0],
    ['an absent register', 0x20, 0x12345678],
  ])('%s that no hardware would take are not a refusal', (_name, offset, written) => {
    const guest = view();
    guest.write(offset, 4, written);
    expect(guest.refused).toEqual([]);
    expect(guest.hardware.writes).toEqual([]);
  });

  describe('restoring after the device lost its addresses', () => {
    it.each(rows.filter(([, , , length]) => length !== 0))(
      '%s: its own address goes to hardware',
      (_n, offset, own) => {
        const guest = view();
        guest.hardware.put(offset, 4, 0);
        expect(guest.read(offset, 4)).toBe(own);
        guest.write(offset, 4, (own ^ 0x10000000) >>> 0);
        expect(guest.hardware.writes).toEqual([]);
        guest.write(offset, 4, own);
        expect(guest.hardware.writes).toEqual([[offset, 4, own]]);
        guest.hardware.forget();
        guest.write(offset, 4, own);
        expect(guest.hardware.writes).toEqual([]);
      },
    );

    it('a register that is not offered is never written, whatever hardware has in it', () => {
      for (const offset of [0x20, 0x24]) {
        const guest = view(resources, [[offset, 4, 0xfe000000]]);
        guest.write(offset, 4, 0);
        expect(guest.hardware.writes).toEqual([]);
        expect(guest.read(offset, 4)).toBe(0);
      }
    });
  });

  it('XSA-124: a device that moves its own BAR changes nothing of what is shown', () => {
    const guest = view();
    guest.hardware.put(0x10, 4, 0x00000000);
    expect(guest.read(0x10, 4)).toBe(0xfebc0000);
  });

  it.each([
    ['unassigned', ResourceFlag.unassigned],
    ['busy', ResourceFlag.busy],
    ['disabled', ResourceFlag.disabled],
  ])('a resource that is %s shows 0 and no size', (_name, flag) => {
    const guest = view([memory(0xfebc0000n, 0x20000n, flag)]);
    expect(guest.read(0x10, 4)).toBe(0);
    guest.write(0x10, 4, 0xffffffff);
    expect(guest.read(0x10, 4)).toBe(0);
  });

  it('the upper half is computed in 64 bits', () => {
    const guest = view([wide(0x12_0000_0000n, 0x4_0000_0000n), absent]);
    expect(guest.read(0x10, 4)).toBe(0x0000000c);
    expect(guest.read(0x14, 4)).toBe(0x00000012);
    guest.write(0x10, 4, 0xffffffff);
    guest.write(0x14, 4, 0xffffffff);
    expect(guest.read(0x10, 4)).toBe(0x0000000c);
    expect(guest.read(0x14, 4)).toBe(0xfffffffc);
  });

  it('the upper half follows the flag of the register before, not its state', () => {
    const guest = view([wide(0x3_8000_0000n, 0x4000n), absent, absent].map((one) => ({ ...one })));
    expect(guest.read(0x14, 4)).toBe(3);
    const off = view([{ ...wide(0x3_8000_0000n, 0x4000n), flags: wide(0n, 1n).flags | ResourceFlag.disabled }, absent]);
    expect(off.read(0x10, 4)).toBe(0);
    expect(off.read(0x14, 4)).toBe(3);
  });

  it('the ROM is no upper half of BAR 5', () => {
    const guest = view([absent, absent, absent, absent, absent, wide(0x3_8000_0000n, 0x4000n), resources[6] ?? absent]);
    expect(guest.read(0x30, 4)).toBe(0xfeb80000);
  });

  it('the enable bit of the ROM is shown as it was found', () => {
    const guest = view([absent, absent, absent, absent, absent, absent, memory(0xfeb80000n, 0x40000n, 0x1)]);
    expect(guest.read(0x30, 4)).toBe(0xfeb80001);
  });

  it('the state of sizing is not left for the next guest (S-4)', () => {
    const first = view();
    first.write(0x10, 4, 0xffffffff);
    expect(first.read(0x10, 4)).toBe(0xfffe0000);
    expect(viewOf(first.device, [endpointHeader]).read(0x10, 4)).toBe(0xfebc0000);
  });

  it('header type 1 has two BARs and the ROM at 0x38; bus numbers have no field', () => {
    const guest = guestView([bridgeHeader], {
      identity: { headerType: 1 },
      resources,
      image: [
        [0x18, 4, 0x00020100],
        [0x30, 4, 0x11112222],
      ],
    });
    expect(guest.read(0x10, 4)).toBe(0xfebc0000);
    expect(guest.read(0x14, 4)).toBe(0x0000c041);
    expect(guest.read(0x38, 4)).toBe(0xfeb80000);
    expect(guest.read(0x18, 4)).toBe(0x00020100);
    expect(guest.read(0x30, 4)).toBe(0x11112222);
    guest.write(0x18, 4, 0xffffffff);
    expect(guest.read(0x18, 4)).toBe(0x00020100);
    expect(guest.hardware.writes).toEqual([]);
  });
});

describe('an expansion ROM that the guest may switch', () => {
  const ADDRESS = 0xfeb80000;
  const viewFor = async (rom: readonly string[], list = resources, permissive = false): Promise<GuestView> => {
    const host = new PluginHost({ log: silent });
    await host.load(plugin, { rom }, 'test');
    return guestView(
      host.registries.fields.things,
      { resources: list, image: [[0x30, 4, ADDRESS]] },
      (device) => (device.permissive = permissive),
    );
  };
  const mine = ['8086:10d3'];

  it('is switched on and off by the enable bit, with the address that the host assigned', async () => {
    const guest = await viewFor(mine);
    expect(guest.read(0x30, 4)).toBe(ADDRESS);
    expect(guest.write(0x30, 4, ADDRESS + 1)).toBe(0);
    expect(guest.read(0x30, 4)).toBe(ADDRESS + 1);
    expect(guest.write(0x30, 1, 0)).toBe(0);
    expect(guest.read(0x30, 4)).toBe(ADDRESS);
    expect(guest.hardware.writes).toEqual([
      [0x30, 4, ADDRESS + 1],
      [0x30, 4, ADDRESS],
    ]);
    expect(guest.refused).toEqual([]);
  });

  it('sizing shows the size and reaches no hardware', async () => {
    const guest = await viewFor(mine);
    for (const ones of [0xffffffff, 0xfffffffe, 0xfffff800]) {
      guest.write(0x30, 4, ones);
      expect(guest.read(0x30, 4)).toBe(0xfffc0000);
    }
    expect(guest.hardware.writes).toEqual([]);
    guest.write(0x30, 4, ADDRESS);
    expect(guest.read(0x30, 4)).toBe(ADDRESS);
  });

  it.each([false, true])('cannot be moved, nor switched on elsewhere, permissive: %s', async (permissive) => {
    const guest = await viewFor(mine, resources, permissive);
    for (const elsewhere of [0xfe000001, 0x00000001, 0xfebc0001]) guest.write(0x30, 4, elsewhere);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(0x30, 4)).toBe(ADDRESS);
    expect(guest.refused.map(({ why }) => why)).toEqual(Array(3).fill('a guest cannot move the expansion ROM'));
  });

  it('one that the host gave no place is not switched on', async () => {
    for (const rom of [absent, memory(0n, 0x40000n), memory(0xfeb80000n, 0x40000n, ResourceFlag.unassigned)]) {
      const guest = await viewFor(mine, [...resources.slice(0, 6), rom]);
      guest.write(0x30, 4, 1);
      guest.write(0x30, 4, ADDRESS + 1);
      expect(guest.hardware.writes).toEqual([]);
    }
  });

  it('other devices keep theirs as before', async () => {
    const guest = await viewFor(['1af4:*', '0000:07:00.*']);
    guest.write(0x30, 4, ADDRESS + 1);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(0x30, 4)).toBe(ADDRESS);
    expect(guest.table.claims.filter(({ dword }) => dword === 0x30)).toHaveLength(1);
  });
});

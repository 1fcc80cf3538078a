// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, * as module from '../../../plugins/fields/link.ts';
import { type Place, testClosed } from '../../kit/closed-capability.ts';
import { FakeDevice, FakeFunction, type ImagePart } from '../../kit/fake-function.ts';
import { type GuestView, viewOf } from '../../kit/guest-view.ts';

const { default: _plugin, marginingLanes, ...named } = module;
const sets = [...Object.values(named), ...marginingLanes];
const dwords = (first: number, last: number): readonly Place[] =>
  Array.from({ length: (last - first) / 4 + 1 }, (_, index): Place => [first + 4 * index, 4]);

describe.each([
  ['data link feature', 0x0025, dwords(0x04, 0x08)],
  ['secondary pcie', 0x0019, dwords(0x04, 0x08)],
  ['16 GT/s', 0x0026, dwords(0x04, 0x18)],
  ['32 GT/s', 0x002a, dwords(0x04, 0x1c)],
  ['64 GT/s', 0x0031, dwords(0x04, 0x0c)],
  ['alternate protocol', 0x002b, dwords(0x04, 0x10)],
  ['protocol multiplexing', 0x001a, dwords(0x04, 0x0c)],
  [
    'margining',
    0x0027,
    [
      [0x04, 2],
      [0x06, 2],
    ],
  ],
] as const satisfies readonly (readonly [string, number, readonly Place[]])[])('%s', (_name, id, places) => {
  testClosed(sets, { list: 'extended', id }, places);
});

describe('margining of lanes', () => {
  const AT = 0x100;
  /** A link of so many lanes; 0: no PCI Express capability that tells. */
  const view = (lanes: number, prepare: (device: FakeDevice) => void = () => {}): GuestView => {
    const express: readonly ImagePart[] =
      lanes === 0
        ? []
        : [
            [0x06, 2, 0x0010],
            [0x34, 1, 0x40],
            [0x40, 4, 0x0002_0010],
            [0x4c, 4, (lanes << 4) | 4],
          ];
    const device = new FakeDevice(new FakeFunction({ image: [...express, [AT, 4, 0x0001_0027]] }));
    prepare(device);
    return viewOf(device, sets);
  };
  const claimed = ({ table }: GuestView): number =>
    table.claims.filter(({ owner }) => /margining lane \d+ \/ control/.test(owner)).length;

  it.each([
    [0, 0],
    [1, 1],
    [4, 4],
    [16, 16],
    [32, 16],
  ])('a link of %i lanes has %i that are claimed', (lanes, expected) => {
    expect(claimed(view(lanes))).toBe(expected);
  });

  it('no command to a receiver reaches hardware, in permissive mode neither; behind the last lane the usual rule holds', () => {
    const guest = view(2, (device) => (device.permissive = true));
    for (const offset of [0x08, 0x0a, 0x0c, 0x0e, 0x10]) {
      guest.write(AT + offset, 2, 0xffff);
    }
    expect(guest.hardware.writes).toEqual([[AT + 0x10, 2, 0xffff]]);
    expect(guest.refused.map(({ offset }) => offset - AT)).toEqual([0x08, 0x0a, 0x0c, 0x0e]);
  });

  it('shows what the receiver says', () => {
    const guest = view(2);
    guest.hardware.put(AT + 0x0c, 4, 0x1234_9c38);
    expect(guest.read(AT + 0x0c, 2)).toBe(0x9c38);
    expect(guest.read(AT + 0x0e, 2)).toBe(0x1234);
  });
});

it('the plugin is a plugin', () => {
  expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/link', api: '^1.0' });
});

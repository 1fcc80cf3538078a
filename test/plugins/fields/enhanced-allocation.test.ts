// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { allocations, enhancedAllocation } from '../../../plugins/fields/enhanced-allocation.ts';
import { capabilityView, placeOf } from '../../kit/capability-view.ts';
import { FakeDevice, FakeFunction, type ImagePart } from '../../kit/fake-function.ts';
import { viewOf } from '../../kit/guest-view.ts';

const sets = [enhancedAllocation, ...allocations];
const AT = placeOf('standard');
const settings = { list: 'standard', id: 0x14 } as const;

/** BAR 0 with 64 bits (five dwords) and BAR 4 with 32 (three): base, then the greatest offset. */
const two: readonly ImagePart[] = [
  [0x02, 1, 2],
  [0x04, 4, 0x80ff_0004],
  [0x08, 4, 0x0000_0002],
  [0x0c, 4, 0x3fff_fffe],
  [0x10, 4, 0x0000_8430],
  [0x14, 4, 0x0000_0000],
  [0x18, 4, 0x80ff_0042],
  [0x1c, 4, 0x6000_0000],
  [0x20, 4, 0x000f_fffc],
];
const claimed = (body: readonly ImagePart[]): number[] =>
  capabilityView(sets, { ...settings, body })
    .table.claims.filter(({ owner }) => owner.includes('allocation '))
    .map(({ dword }) => dword - AT)
    .filter((offset) => offset > 0);

describe('enhanced allocation', () => {
  it('every dword of every entry is claimed, each as long as it says, and none behind', () => {
    expect(claimed(two)).toEqual([0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c, 0x20]);
    expect(claimed([[0x02, 1, 0]])).toEqual([]);
  });

  it('a guest reads the host’s addresses', () => {
    const guest = capabilityView(sets, { ...settings, body: two });
    for (const [offset, size, value] of two) expect(guest.read(AT + offset, size)).toBe(value);
    expect(guest.read(AT + 0x0e, 2)).toBe(0x3fff);
  });

  it.each([false, true])('no write reaches hardware, permissive: %s', (permissive) => {
    const guest = capabilityView(sets, {
      ...settings,
      body: two,
      prepare: (device) => (device.permissive = permissive),
    });
    guest.write(AT + 2, 1, 0x3f);
    for (const [offset, size] of two) {
      guest.write(AT + offset, size, 0);
      guest.write(AT + offset, 1, 0xff);
    }
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused.length).toBeGreaterThan(two.length);
  });

  it('entries that claim to be longer than the list has room end with it', () => {
    expect(claimed([[0x02, 1, 0x3f]]).at(-1)).toBe(0xfc - AT);
    const offsets = claimed([[0x02, 1, 0x3f]]);
    expect(offsets).toHaveLength(47);
  });

  it('of a bridge nothing is claimed: its entries begin elsewhere', () => {
    const image: readonly ImagePart[] = [
      [0x06, 2, 0x10],
      [0x34, 1, AT],
      [AT, 2, 0x14],
      [AT + 2, 1, 1],
    ];
    const device = new FakeDevice(new FakeFunction({ identity: { headerType: 1 }, image }));
    expect(viewOf(device, sets).table.claims.filter(({ owner }) => owner.startsWith('test'))).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/enhanced-allocation', api: '^1.0' });
  });
});

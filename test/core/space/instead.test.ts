// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { compileSpace } from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import { bits, type FieldSet, header, type Register, register } from '../../../core/space/declaration.ts';
import { stateOfTable, type TableState } from '../../../core/space/table.ts';
import { FakeDevice, FakeFunction } from '../../kit/fake-function.ts';
import { silentWall } from '../../kit/silent-wall.ts';

/** A field of every policy at 0x40..0x4f. */
const field = header(
  'card',
  [0],
  [
    register(0x40, 16, 'own').emulated(undefined, 0x1111),
    register(0x42, 16, 'fixed').shows(0x2222),
    register(0x44, 32, 'closed').readOnly(),
    register(0x48, 8, 'coded').calls({ write: () => 0 }),
    register(0x4c, 16, 'status').clearedByOne(bits(3, 0)).reserved(),
  ],
);
const neighbour = header('neighbour', [0], [register(0x60, 16, 'closed').readOnly()]);

const quirkOver = (registers: readonly Register[], instead?: string): FieldSet =>
  header('quirk', [0], registers, instead === undefined ? {} : { instead });

const view = (quirk: FieldSet | undefined, permissive = false, previous?: TableState, device?: FakeDevice) => {
  const held = device ?? new FakeDevice(new FakeFunction({ image: [[0x40, 4, 0xaaaa_5555]] }));
  const skipped: string[] = [];
  const table = compileSpace(
    held,
    [
      { owner: 'fields/card', set: field },
      { owner: 'fields/other', set: neighbour },
      ...(quirk === undefined ? [] : [{ owner: 'acme/nic', set: quirk }]),
    ],
    {
      wall: silentWall(),
      unhandled: permissive ? 'permissive' : 'drop',
      skipped: (set, why) => skipped.push(`${set}: ${why}`),
      ...(previous === undefined ? {} : { previous }),
    },
  );
  const space = new ConfigSpace(held.hardware, table, { failed: () => {}, denied: () => {} });
  held.hardware.forget();
  const read = (offset: number, size: 1 | 2 | 4): number => {
    expect(space.read(offset, size)).toBe(0);
    return space.value;
  };
  return { device: held, hardware: held.hardware, table, space, skipped, read };
};
const ownersAt = ({ table }: ReturnType<typeof view>, dword: number): string[] =>
  table.claims.filter((one) => one.dword === dword).map(({ owner, mask }) => `${owner} ${mask.toString(16)}`);

describe('a quirk that stands instead of a field', () => {
  it('without the word it is left out, as before', () => {
    const { skipped, hardware, space } = view(quirkOver([register(0x40, 8, 'door').writable()]));
    expect(skipped).toEqual(['acme/nic: quirk / door: bits 0x000000ff at 0x40 belong to fields/card: card / own']);
    space.write(0x40, 1, 0x77);
    expect(hardware.writes).toEqual([]);
  });

  it('with it the bits are its own, and the field keeps the others', () => {
    const guest = view(quirkOver([register(0x40, 8, 'door').writable()], 'card'));
    expect(guest.skipped).toEqual([]);
    expect(guest.read(0x40, 4)).toBe(0x2222_1155);
    guest.space.write(0x40, 4, 0x9999_8877);
    expect(guest.hardware.writes).toEqual([[0x40, 1, 0x77]]);
    expect(guest.read(0x40, 4)).toBe(0x2222_8877);
    expect(ownersAt(guest, 0x40)).toEqual([
      'fields/card: card / own ff00',
      'fields/card: card / fixed ffff0000',
      'acme/nic: quirk / door ff',
    ]);
  });

  it.each([
    ['fixed', 0x42, 16, 0x0000_aaaa],
    ['read-only', 0x44, 32, 0],
    ['cleared by one and reserved', 0x4c, 16, 0],
  ] as const)('what was %s goes to hardware where it says so', (_name, offset, width, shown) => {
    const guest = view(quirkOver([register(offset, width, 'door').writable()], 'card'));
    const size = (width / 8) as 2 | 4;
    expect(guest.read(offset, size)).toBe(shown);
    guest.space.write(offset, size, 0x0000_1234);
    expect(guest.hardware.writes).toEqual([[offset, size, 0x1234]]);
  });

  it('bits with code are never taken: all of it is left out, and the field is whole', () => {
    const guest = view(
      quirkOver([register(0x44, 32, 'door').writable(), register(0x48, 8, 'code').writable()], 'card'),
    );
    expect(guest.skipped).toEqual([expect.stringContaining('belong to fields/card: card / coded')]);
    guest.space.write(0x44, 4, 0xffff_ffff);
    expect(guest.hardware.writes).toEqual([]);
    expect(ownersAt(guest, 0x44)).toEqual(['fields/card: card / closed ffffffff']);
  });

  it('another field gives nothing, nor does a quirk whose set has the name', () => {
    expect(view(quirkOver([register(0x60, 16, 'door').writable()], 'card')).skipped).toHaveLength(1);
    expect(view(quirkOver([register(0x60, 16, 'door').writable()], 'neighbour')).skipped).toHaveLength(1);
    expect(view(quirkOver([register(0x40, 8, 'door').writable()], 'car')).skipped).toHaveLength(1);
  });

  it('in permissive mode a read-only quirk closes what it took, and nothing of the field opens', () => {
    const guest = view(quirkOver([register(0x40, 8, 'door').readOnly()], 'card'), true);
    guest.space.write(0x40, 4, 0xffff_ffff);
    guest.space.write(0x44, 4, 0xffff_ffff);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(0x40, 2)).toBe(0xff55);
  });

  it('under a running guest its other values go on, and come back whole when the quirk goes', () => {
    const before = view(undefined);
    before.space.write(0x40, 2, 0x7766);
    const quirk = quirkOver([register(0x40, 8, 'door').writable()], 'card');
    const during = view(quirk, false, stateOfTable(before.table), before.device);
    expect(during.read(0x40, 2)).toBe(0x7755);
    const after = view(undefined, false, stateOfTable(during.table), before.device);
    expect(after.read(0x40, 2)).toBe(0x7711);
    expect(before.hardware.writes).toEqual([]);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import type { FieldSet } from '../../../core/space/declaration.ts';
import header, { bridgeHeader, endpointHeader } from '../../../plugins/fields/header.ts';
import { type GuestView, guestView } from '../../kit/guest-view.ts';

const image = [
  [0x00, 4, 0xffffffff], //  a virtual function's ids
  [0x04, 4, 0x00100000],
  [0x08, 4, 0x02000003],
  [0x0c, 4, 0x00804010], //  cache line 0x10, latency 0x40, multi-function, BIST 0
  [0x2c, 4, 0xa01f8086],
  [0x34, 1, 0x40],
  [0x3c, 4, 0x28140109], //  line 9, pin 1, min_gnt 0x14, max_lat 0x28
] as const;

const view = (set: FieldSet = endpointHeader): GuestView =>
  guestView([set], {
    image,
    line: 0x117,
    identity: { headerType: set === bridgeHeader ? 1 : 0, virtualFunction: true },
  });

/** Register, size, what a guest reads. */
const fixed = [
  ['vendor id', 0x00, 2, 0x8086],
  ['device id', 0x02, 2, 0x10d3],
  ['latency timer', 0x0d, 1, 0x40],
  ['interrupt line', 0x3c, 1, 0x17],
  ['interrupt pin', 0x3d, 1, 0x01],
] as const;

describe.each([
  ['type 0', endpointHeader],
  ['type 1', bridgeHeader],
])('header %s', (_name, set) => {
  it.each(fixed)('%s reads what the host knows', (_register, offset, size, value) => {
    expect(view(set).read(offset, size)).toBe(value);
  });

  it.each(fixed)('%s reads in parts', (_register, offset, size, value) => {
    const guest = view(set);
    for (let byte = 0; byte < size; byte++) {
      expect(guest.read(offset + byte, 1)).toBe((value >>> (8 * byte)) & 0xff);
    }
  });

  it.each(fixed)('%s reads as part of its dword', (_register, offset, size, value) => {
    const dword = view(set).read(offset & ~3, 4);
    expect((dword >>> (8 * (offset & 3))) & (2 ** (8 * size) - 1)).toBe(value);
  });

  it.each(fixed)('%s takes no write', (_register, offset, size, value) => {
    const guest = view(set);
    const other = ~value & (2 ** (8 * size) - 1);
    expect(guest.write(offset, size, other)).toBe(0);
    expect(guest.write(offset, 1, other & 0xff)).toBe(0);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(offset, size)).toBe(value);
    expect(guest.refused).toEqual([
      { offset, size, value: other, mask: 2 ** (8 * size) - 1, why: undefined },
      { offset, size: 1, value: other & 0xff, mask: 0xff, why: undefined },
    ]);
  });

  it('a write that repeats what a read-only register shows is not a refusal', () => {
    const guest = view(set);
    for (const [, offset, size, value] of fixed) guest.write(offset, size, value);
    expect(guest.refused).toEqual([]);
  });

  it('cache line size goes to hardware, alone and with its neighbours', () => {
    const guest = view(set);
    expect(guest.write(0x0c, 1, 0x08)).toBe(0);
    expect(guest.read(0x0c, 1)).toBe(0x08);
    expect(guest.write(0x0c, 4, 0xffffff20)).toBe(0);
    expect(guest.hardware.get(0x0c, 4)).toBe(0x00804020);
    expect(guest.hardware.writes).toEqual([
      [0x0c, 1, 0x08],
      [0x0c, 1, 0x20],
    ]);
  });

  it.each([
    ['start', 0x80, 0xc0, true],
    ['the same again', 0xc0, 0xc0, true],
    ['stop', 0xc0, 0x80, true],
    ['start alone, whatever is there', 0x8f, 0x40, true],
    ['clear', 0x8f, 0x00, false],
    ['another bit', 0x80, 0x81, false],
    ['start and another bit', 0x80, 0x41, false],
  ])('BIST, %s', (_case, now, written, through) => {
    const guest = view(set);
    guest.hardware.put(0x0f, 1, now);
    expect(guest.write(0x0f, 1, written)).toBe(0);
    expect(guest.hardware.writes).toEqual(through ? [[0x0f, 1, written]] : []);
    expect(guest.refused.map(({ mask }) => mask)).toEqual(through ? [] : [now ^ written]);
    expect(guest.read(0x0f, 1)).toBe(through ? written : now);
  });

  it('registers without a field are read from hardware and not written', () => {
    const guest = view(set);
    for (const [offset, size, value] of [
      [0x06, 2, 0x0010],
      [0x08, 4, 0x02000003],
      [0x0e, 1, 0x80],
      [0x2c, 4, 0xa01f8086],
      [0x34, 1, 0x40],
      [0x3e, 1, 0x14],
      [0x3f, 1, 0x28],
    ] as const) {
      expect(guest.read(offset, size)).toBe(value);
      expect(guest.write(offset, size, 0)).toBe(0);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('names each register once and claims all of its bits', () => {
    const names = set.registers.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { claims, width } of set.registers) {
      expect(claims.reduce((all, { mask }) => all + mask, 0)).toBe(2 ** width - 1);
    }
  });
});

describe('header', () => {
  it('D-C15: the interrupt line is the recorded one while hardware says another', () => {
    const guest = guestView([endpointHeader], { image: [[0x3c, 1, 0x42]], line: 0x10 });
    guest.device.interruptType = 'msi';
    expect(guest.read(0x3c, 1)).toBe(0x10);
  });

  it('D-C8: the status half of a dword write at 0x04 is dropped, the command half is not', () => {
    const guest = view();
    guest.hardware.put(0x06, 2, 0xf910);
    expect(guest.write(0x04, 4, 0xffff0004)).toBe(0);
    expect(guest.hardware.get(0x06, 2)).toBe(0xf910);
    expect(guest.device.busMaster).toBe(true);
  });

  it('each set is for its own header type', () => {
    const sets = [endpointHeader, bridgeHeader];
    const names = (headerType: number) => {
      const { table } = guestView(sets, { identity: { headerType, bdf: bdf(0, 1, 0) } });
      return new Set(table.claims.map(({ owner }) => owner.split(' / ')[0]));
    };
    expect(names(0)).toEqual(new Set(['test: header']));
    expect(names(1)).toEqual(new Set(['test: bridge header']));
    expect(names(2)).toEqual(new Set());
  });

  it('the plugin is a plugin', () => {
    expect(header).toMatchObject({ kind: 'plugin', name: 'fields/header', api: '^1.0' });
  });
});

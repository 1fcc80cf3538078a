// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bit, bits, register, type Width } from '../../../core/space/declaration.ts';

const invalid = expect.objectContaining({ code: 'FIELD_INVALID' });

describe('a register', () => {
  it.each<[number, Width]>([
    [0, 32],
    [0xfff, 8],
    [0xffe, 16],
    [0xffc, 32],
  ])('may lie at 0x%s with %i bits', (offset, width) => {
    expect(register(offset, width, 'r')).toMatchObject({ offset, width, claims: [] });
  });

  it.each<[number, number]>([
    [-1, 8],
    [0x1000, 8],
    [0xfff, 16],
    [0xffd, 32],
    [0.5, 8],
    [Number.NaN, 8],
    [0x40, 24],
    [0x40, 64],
  ])('is refused at %d with %i bits', (offset, width) => {
    expect(() => register(offset, width as Width, 'r')).toThrow(invalid);
  });

  it('has each bit claimed once, and no bit that it does not have', () => {
    const one = register(0x40, 8, 'r').writable(0x0f);
    expect(() => one.readOnly(0x18)).toThrow(expect.objectContaining({ code: 'FIELD_OVERLAP' }));
    expect(() => one.readOnly(0x100)).toThrow(invalid);
    expect(() => one.readOnly(0)).toThrow(invalid);
    expect(() => one.readOnly().reserved()).toThrow(invalid);
    expect(one.readOnly().claims.map(({ mask }) => mask)).toEqual([0x0f, 0xf0]);
  });

  it('has one behaviour', () => {
    expect(() => register(0x40, 8, 'r').calls({}, 1).calls({}, 2)).toThrow(invalid);
  });
});

it('masks are unsigned', () => {
  expect([bit(0), bit(31), bits(31, 0), bits(7, 4)]).toEqual([1, 0x80000000, 0xffffffff, 0xf0]);
});

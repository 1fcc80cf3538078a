// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../../../core/space/behaviour.ts';
import {
  bit,
  bits,
  capability,
  extendedCapability,
  header,
  register,
  type Width,
} from '../../../core/space/declaration.ts';
import { guestView } from '../../kit/guest-view.ts';

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

const registers = [register(0x40, 8, 'r').shows(0x5a)];

describe('the condition of a set', () => {
  const when = () => false;

  it('is an option of every anchor', () => {
    expect(header('x', [0], registers, { when })).toEqual({
      name: 'x',
      anchor: { kind: 'header', types: [0] },
      registers,
      when,
    });
    expect(capability(5, 'x', registers, { when }).when).toBe(when);
    expect(extendedCapability(5, 'x', registers, { when }).when).toBe(when);
    for (const set of [
      header('x', [0], registers),
      capability(5, 'x', registers),
      extendedCapability(5, 'x', registers),
    ]) {
      expect(set).not.toHaveProperty('when');
    }
  });

  it('leaves the set out of the tables of devices that have it not in this form', () => {
    const of = (vendor: number) =>
      guestView([header('x', [0], registers, { when: ({ identity }) => identity.vendor === 0x1234 })], {
        identity: { vendor },
        image: [[0x40, 1, 0x11]],
      }).read(0x40, 1);
    expect([of(0x1234), of(0x1235)]).toEqual([0x5a, 0x11]);
  });
});

describe('the mask of a behaviour', () => {
  it('is the one that it was declared with, and all that is left when none was said', () => {
    const seen: number[] = [];
    const tells: Behaviour = {
      write: (at) => {
        seen.push(at.mask);
        return 0;
      },
    };
    const guest = guestView([
      header(
        'set',
        [0],
        [
          register(0x40, 16, 'part').calls(tells, 0x0f00),
          register(0x42, 16, 'rest').readOnly(0x00f0).calls(tells),
          register(0x44, 32, 'all').calls(tells),
        ],
      ),
    ]);
    guest.write(0x40, 2, 0xffff);
    guest.write(0x42, 2, 0xffff);
    guest.write(0x44, 4, 0);
    expect(seen).toEqual([0x0f00, 0xff0f, 0xffffffff]);
  });
});

describe('a value that is shown', () => {
  it('is found anew for each table', () => {
    let asked = 0;
    const set = header('x', [0], [register(0x40, 8, 'r').shows(() => ++asked)]);
    expect([guestView([set]).read(0x40, 1), guestView([set]).read(0x40, 1)]).toEqual([1, 2]);
  });
});

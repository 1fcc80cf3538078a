// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../../../core/space/behaviour.ts';
import { capability, extendedCapability, header, register } from '../../../core/space/declaration.ts';
import { guestView } from '../../kit/guest-view.ts';

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

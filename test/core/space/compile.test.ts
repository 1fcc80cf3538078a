// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { header, register } from '../../../core/space/declaration.ts';
import { guestView } from '../../kit/guest-view.ts';

/** A set that looks at its register as soon as the guest has the device. */
const looking = (offset: number, looked: number[]) =>
  header(
    'looking',
    [0],
    [
      register(offset, 16, 'window').calls({
        attach: (at) => void looked.push(at.read()),
        read: () => 0x1234,
      }),
    ],
  );

it.each<[256 | 4096, number, boolean]>([
  [256, 0xfe, true],
  [256, 0xff, false],
  [256, 0x100, false],
  [4096, 0x100, true],
])('in a config space of %i bytes a set at %i is in its table: %s', (configSize, offset, isThere) => {
  const looked: number[] = [];
  const guest = guestView([looking(offset, looked)], { identity: { configSize } });
  expect(looked).toEqual(isThere ? [0] : []);
  if (isThere) expect(guest.read(offset, 2)).toBe(0x1234);
});

it('a set for another kind of header is in no table', () => {
  const set = header('bridge', [1], [register(0x40, 8, 'r').shows(7)]);
  expect(guestView([set]).read(0x40, 1)).toBe(0);
  expect(guestView([set], { identity: { headerType: 1 } }).read(0x40, 1)).toBe(7);
});

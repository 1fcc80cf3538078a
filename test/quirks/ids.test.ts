// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { ids } from '../../quirks/index.ts';

it('ids are written as lspci prints them', () => {
  expect(ids('14E4', ['1659', 'ffff'])).toEqual([
    { vendor: 0x14e4, device: 0x1659 },
    { vendor: 0x14e4, device: 0xffff },
  ]);
  expect(() => ids('14e4', ['0x1659'])).toThrow('four hexadecimal digits');
});

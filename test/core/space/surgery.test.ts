// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { capabilityLists } from '../../../core/space/capabilities.ts';
import { hide, limitConfigSize, relink, type Surgery, shapeOf } from '../../../core/space/surgery.ts';
import { FakeFunction } from '../../kit/fake-function.ts';

/** PM at 0x40 and MSI at 0x50 in the list; what the vendor forgot, at 0x60, is PCI Express. */
const nic = () =>
  new FakeFunction({
    image: [
      [0x06, 2, 0x0010],
      [0x34, 1, 0x40],
      [0x40, 2, 0x5001],
      [0x50, 2, 0x0005],
      [0x60, 2, 0x0010],
      [0x100, 4, 0x00010001],
    ],
  });
const shape = (...surgeries: Surgery[]) => {
  const device = nic();
  const { lists, size } = shapeOf(device, 4096, capabilityLists(device), surgeries);
  return { standard: lists.standard.map(({ offset }) => offset), extended: lists.extended.length, size };
};

describe('the lists that a guest sees', () => {
  it.each<[string, Surgery[], object]>([
    ['as hardware has them', [], { standard: [0x40, 0x50], extended: 1, size: 4096 }],
    ['without what is hidden', [hide(0x05)], { standard: [0x40], extended: 1, size: 4096 }],
    ['with what is linked again', [relink(0x10, 0x60)], { standard: [0x40, 0x50, 0x60], extended: 1, size: 4096 }],
    ['without what is not there', [relink(0x11, 0x60)], { standard: [0x40, 0x50], extended: 1, size: 4096 }],
    ['with what is linked once', [relink(0x05, 0x50)], { standard: [0x40, 0x50], extended: 1, size: 4096 }],
    ['hidden wins over linked', [relink(0x10, 0x60), hide(0x10)], { standard: [0x40, 0x50], extended: 1, size: 4096 }],
    ['up to a limit', [limitConfigSize(0x50)], { standard: [0x40], extended: 0, size: 0x50 }],
    [
      'linked behind a limit',
      [limitConfigSize(0x60), relink(0x10, 0x60)],
      { standard: [0x40, 0x50], extended: 0, size: 0x60 },
    ],
    [
      'up to the lowest of limits',
      [limitConfigSize(0x60), limitConfigSize(0x100)],
      { standard: [0x40, 0x50], extended: 0, size: 0x60 },
    ],
  ])('%s', (_, surgeries, expected) => {
    expect(shape(...surgeries)).toEqual(expected);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { capabilities, extendedCapabilities } from '../../../core/space/capabilities.ts';
import { FakeFunction, type ImagePart } from '../../kit/fake-function.ts';

const LIST: ImagePart = [0x06, 2, 0x0010];
const device = (...image: ImagePart[]) => new FakeFunction({ image });

describe('the list at 0x34', () => {
  it('is walked in its order', () => {
    const nic = device(LIST, [0x34, 1, 0x50], [0x50, 2, 0x4001], [0x40, 2, 0x0005]);
    expect(capabilities(nic)).toEqual([
      { id: 1, offset: 0x50 },
      { id: 5, offset: 0x40 },
    ]);
  });

  it.each<[string, ImagePart[], number[]]>([
    [
      'is not there: the status register says so',
      [
        [0x34, 1, 0x40],
        [0x40, 2, 0x0005],
      ],
      [],
    ],
    ['is empty', [LIST], []],
    ['begins in the header', [LIST, [0x34, 1, 0x3c], [0x3c, 2, 0x0005]], []],
    ['goes on in the header', [LIST, [0x34, 1, 0x40], [0x40, 2, 0x1005], [0x10, 2, 0x0001]], [0x40]],
    ['goes round', [LIST, [0x34, 1, 0x40], [0x40, 2, 0x5001], [0x50, 2, 0x4005]], [0x40, 0x50]],
    ['leads to itself', [LIST, [0x34, 1, 0x40], [0x40, 2, 0x4005]], [0x40]],
    ['leads to where nothing answers', [LIST, [0x34, 1, 0x40], [0x40, 2, 0x5001], [0x50, 1, 0xff]], [0x40]],
    [
      'has pointers with their two lowest bits set',
      [LIST, [0x34, 1, 0x43], [0x40, 2, 0x5301], [0x50, 2, 5]],
      [0x40, 0x50],
    ],
  ])('%s', (_, image, offsets) => {
    expect(capabilities(device(...image)).map(({ offset }) => offset)).toEqual(offsets);
  });
});

describe('the list at 0x100', () => {
  const at = (offset: number, id: number, next: number): ImagePart => [offset, 4, ((next << 20) | 0x10000 | id) >>> 0];
  it.each<[string, ImagePart[], number[]]>([
    ['is walked in its order', [at(0x100, 1, 0x200), at(0x200, 3, 0x140), at(0x140, 2, 0)], [0x100, 0x200, 0x140]],
    ['is empty', [], []],
    ['leads to where nothing answers', [at(0x100, 1, 0x200), [0x200, 4, 0xffffffff]], [0x100]],
    ['goes round', [at(0x100, 1, 0x200), at(0x200, 3, 0x100)], [0x100, 0x200]],
    ['goes on in the first 256 bytes', [at(0x100, 1, 0x40), at(0x40, 3, 0)], [0x100]],
    ['has its last in the last four bytes', [at(0x100, 1, 0xffc), at(0xffc, 3, 0)], [0x100, 0xffc]],
  ])('%s', (_, image, offsets) => {
    expect(extendedCapabilities(device(...image), 4096).map(({ offset }) => offset)).toEqual(offsets);
  });

  it('is not looked for where config space has 256 bytes, nor beyond its end', () => {
    const nic = device(at(0x100, 1, 0x200), at(0x200, 3, 0));
    expect(extendedCapabilities(nic, 256)).toEqual([]);
    expect(extendedCapabilities(nic, 0x200).map(({ offset }) => offset)).toEqual([0x100]);
    expect(extendedCapabilities(nic, 0x202).map(({ offset }) => offset)).toEqual([0x100]);
    expect(extendedCapabilities(nic, 0x204).map(({ offset }) => offset)).toEqual([0x100, 0x200]);
  });
});

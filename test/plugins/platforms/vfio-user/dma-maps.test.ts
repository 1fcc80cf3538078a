// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { DmaMaps, MAX_MAPS } from '../../../../plugins/platforms/vfio-user/dma-maps.ts';
import { Refusal } from '../../../../plugins/platforms/vfio-user/messages.ts';

describe('the memory that a client names', () => {
  it('is kept by address; what lies over it is refused', () => {
    const maps = new DmaMaps();
    expect(maps.map(0x1000, 0x2000)).toBe(0);
    expect(maps.map(0x2fff, 1)).toBe(Refusal.exists);
    expect(maps.map(0x3000, 1)).toBe(0);
    expect(maps.count).toBe(2);
  });

  it('goes as whole pieces', () => {
    const maps = new DmaMaps();
    maps.map(0x1000, 0x1000);
    maps.map(0x2000, 0x1000);
    expect(maps.unmap(0x1000, 0x800)).toBe(Refusal.invalid);
    expect(maps.unmap(0x1800, 0x2000)).toBe(Refusal.invalid);
    expect(maps.unmap(0, 0x10000)).toBe(0);
    expect(maps.count).toBe(0);
  });

  it('is bounded', () => {
    const maps = new DmaMaps();
    for (let i = 0; i < MAX_MAPS; i++) expect(maps.map(i * 0x1000, 0x1000)).toBe(0);
    expect(maps.map(MAX_MAPS * 0x1000, 0x1000)).toBe(Refusal.noSpace);
  });

  it.each([
    [-1, 1],
    [0, 0],
    [0, -1],
  ])('address %i, size %i is refused', (address, size) => {
    expect(new DmaMaps().map(address, size)).toBe(Refusal.invalid);
    expect(new DmaMaps().unmap(address, size)).toBe(Refusal.invalid);
  });
});

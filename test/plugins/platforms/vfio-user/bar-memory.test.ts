// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { BarMemory } from '../../../../plugins/platforms/vfio-user/bar-memory.ts';

const read = (memory: BarMemory, bar: number, offset: number, count: number): number[] => {
  const into = new Uint8Array(count).fill(0xee);
  memory.read(bar, offset, into);
  return [...into];
};

describe('the memory behind BARs', () => {
  it('reads zeros where nothing was written, and costs nothing then', () => {
    const memory = new BarMemory(8192);
    expect(read(memory, 0, 0x3fff_ffff_f000, 4)).toEqual([0, 0, 0, 0]);
    memory.write(0, 0, new Uint8Array(65536));
    expect(memory.used).toBe(0);
  });

  it('remembers, across pages, each BAR for itself', () => {
    const memory = new BarMemory(65536);
    memory.write(2, 4094, Uint8Array.of(1, 2, 3, 4));
    expect(read(memory, 2, 4093, 6)).toEqual([0, 1, 2, 3, 4, 0]);
    expect(read(memory, 3, 4093, 6)).toEqual([0, 0, 0, 0, 0, 0]);
    memory.write(2, 4095, Uint8Array.of(0));
    expect(read(memory, 2, 4094, 2)).toEqual([1, 0]);
  });

  it('keeps no more than its limit, and counts what is lost', () => {
    const memory = new BarMemory(8192);
    for (let page = 0; page < 4; page++) memory.write(0, 4096 * page, Uint8Array.of(page + 1, 9));
    expect(memory.used).toBe(8192);
    expect(memory.lost).toBe(4);
    expect(read(memory, 0, 4096, 2)).toEqual([2, 9]);
    expect(read(memory, 0, 8192, 2)).toEqual([0, 0]);
    memory.clear();
    expect([memory.used, ...read(memory, 0, 4096, 1)]).toEqual([0, 0]);
  });
});

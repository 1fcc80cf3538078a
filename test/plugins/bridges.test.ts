// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { isBridge, isBridgeClass } from '../../plugins/bridges.ts';
import { passthrough } from '../../plugins/slots/passthrough.ts';
import { vpci } from '../../plugins/slots/vpci.ts';
import { placeable } from '../kit/placeable.ts';

describe('a bridge', () => {
  it('is base class 06 with functions behind it, not each of that class', () => {
    const subClasses = Array.from({ length: 256 }, (_, at) => at);
    expect(subClasses.filter((at) => isBridgeClass(0x060000 | (at << 8)))).toEqual([0x00, 0x01, 0x04, 0x07, 0x09]);
    expect([0x020000, 0x050400, 0x0c0300, 0x070100].some(isBridgeClass)).toBe(false);
  });

  it('is what has a bridge’s header, whatever its class', () => {
    expect([0, 1, 2].map((headerType) => isBridge({ class: 0x068000, headerType }))).toEqual([false, true, true]);
  });

  it.each([
    ['vpci', vpci],
    ['passthrough', passthrough],
  ])('is refused by %s, and an endpoint of base class 06 is not', (_, mapper) => {
    const map = mapper.create(1);
    const endpoint = placeable('01:00.0', { class: 0x068000 });
    map.add(endpoint);
    expect(map.find(endpoint)).toBeDefined();
    for (const one of [
      placeable('02:00.0', { class: 0x060400 }),
      placeable('03:00.0', { class: 0x068000, headerType: 1 }),
    ])
      expect(() => map.add(one)).toThrowError(expect.objectContaining({ code: 'SLOT_BRIDGE' }));
  });
});

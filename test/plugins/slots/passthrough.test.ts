// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bdf, busOf, devfnOf, formatBdf, formatRoot, segmentOf } from '../../../core/bdf.ts';
import { isPcibackError } from '../../../core/errors/index.ts';
import type { Placeable } from '../../../core/slots.ts';
import plugin, { passthrough } from '../../../plugins/slots/passthrough.ts';
import { placeable } from '../../kit/placeable.ts';

const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return isPcibackError(error) ? error.code : String(error);
  }
};

const rootsOf = (...devices: Placeable[]): string[] => {
  const map = passthrough.create<Placeable>(7);
  for (const device of devices) map.add(device);
  return map.roots().map(({ segment, bus }) => formatRoot(segment, bus));
};

describe('slot mapper passthrough', () => {
  it('a device keeps its real address, whatever was asked for', () => {
    const map = passthrough.create<Placeable>(7);
    expect(formatBdf(map.add(placeable('12:03:1f.6')))).toBe('0012:03:1f.6');
    expect(formatBdf(map.add(placeable('03:00.1'), 0x28))).toBe('0000:03:00.1');
  });

  it('answers for exactly that address', () => {
    const map = passthrough.create<Placeable>(7);
    const device = placeable('ffff:ff:1f.7');
    map.add(device);
    expect(map.lookup(0xffff, 0xff, 0xff)).toBe(device);
    for (const [segment, bus, devfn] of [
      [0xffff, 0xff, 0xfe],
      [0xffff, 0xfe, 0xff],
      [0, 0xff, 0xff],
      [-1, -1, -1],
      [0x1ffff, 0xff, 0xff],
      [0xffff, 0x1ff, 0xff],
      [0xffff, 0xff, 0x1ff],
    ] as const) {
      expect(map.lookup(segment, bus, devfn)).toBeUndefined();
    }
  });

  it('strange numbers find nothing and throw nothing', () => {
    const map = passthrough.create<Placeable>(7);
    map.add(placeable('00:00.0'));
    const strange = [-1, 2 ** 31, 2 ** 32, -(2 ** 31), 0.5, Number.NaN, Number.POSITIVE_INFINITY];
    for (const number of strange) {
      expect(map.lookup(number, 0, 0)).toBeUndefined();
      expect(map.lookup(0, number, 0)).toBeUndefined();
      expect(map.lookup(0, 0, number)).toBeUndefined();
    }
  });

  it('D-V5: finds only what is in the map', () => {
    const map = passthrough.create<Placeable>(7);
    const device = placeable('03:00.0');
    expect(map.find(device)).toBeUndefined();
    map.add(device);
    expect(map.find(device)).toBe(device.identity.bdf);
    map.remove(device);
    map.remove(device);
    expect(map.find(device)).toBeUndefined();
    expect(map.lookup(0, 3, 0)).toBeUndefined();
  });

  it('D-V6: refuses a device twice', () => {
    const map = passthrough.create<Placeable>(7);
    map.add(placeable('03:00.0'));
    expect(codeOf(() => map.add(placeable('03:00.0')))).toBe('SLOT_DUPLICATE');
  });

  it('refuses bridges', () => {
    const map = passthrough.create<Placeable>(7);
    const bridge = placeable('00:1c.0', { class: 0x060400, headerType: 1 });
    expect(codeOf(() => map.add(bridge))).toBe('SLOT_BRIDGE');
    expect(map.find(bridge)).toBeUndefined();
    expect(map.roots()).toEqual([]);
  });

  describe('roots', () => {
    it('the bus of each device, once, in order of placing', () => {
      expect(
        rootsOf(
          placeable('05:00.0'),
          placeable('03:00.0'),
          placeable('05:01.0'),
          placeable('1:03:00.0'),
          placeable('8000:03:00.0'),
        ),
      ).toEqual(['0000:05', '0000:03', '0001:03', '8000:03']);
    });

    it('bridges above that the guest does not have do not matter', () => {
      expect(rootsOf(placeable('05:00.0', {}, ['04:00.0', '00:1c.0']))).toEqual(['0000:05']);
    });

    it('not the bus of a device below another one of the guest', () => {
      const upper = placeable('00:1c.0', { class: 0x120000 });
      const near = placeable('05:00.0', {}, ['00:1c.0']);
      const far = placeable('06:00.0', {}, ['05:02.0', '00:1c.0']);
      expect(rootsOf(upper, near, far)).toEqual(['0000:00']);
      expect(rootsOf(far, near, upper)).toEqual(['0000:00']);
      expect(rootsOf(near, far)).toEqual(['0000:05', '0000:06']);
    });

    it('no devices, no roots', () => {
      const map = passthrough.create<Placeable>(7);
      const device = placeable('03:00.0');
      map.add(device);
      map.remove(device);
      expect(map.roots()).toEqual([]);
    });
  });

  it('for any devices coming and going, each is at its own address', () => {
    const address = fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.nat(0xff), fc.nat(0xff));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), address), { maxLength: 60 }), (steps) => {
        const map = passthrough.create<Placeable>(7);
        const there = new Map<number, Placeable>();
        const all = new Set<number>();
        for (const [adding, [segment, bus, devfn]] of steps) {
          const at = bdf(segment, bus, devfn);
          all.add(at);
          const device = placeable(at);
          if (adding) {
            const code = codeOf(() => expect(map.add(device)).toBe(at));
            expect(code).toBe(there.has(at) ? 'SLOT_DUPLICATE' : undefined);
            if (code === undefined) there.set(at, device);
          } else {
            map.remove(device);
            there.delete(at);
          }
        }
        for (const at of all) {
          const address = at as ReturnType<typeof bdf>;
          expect(map.lookup(segmentOf(address), busOf(address), devfnOf(address))).toBe(there.get(at));
        }
        const buses = new Set([...there.keys()].map((at) => at >>> 8));
        expect(new Set(map.roots().map(({ segment, bus }) => segment * 256 + bus))).toEqual(buses);
        expect(map.roots().length).toBe(buses.size);
      }),
      { numRuns: 500 },
    );
  });

  it('the plugin registers the mapper', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'slots/passthrough', api: '^1.0' });
  });
});

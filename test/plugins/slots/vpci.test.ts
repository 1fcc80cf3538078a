// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bdf, devfnOf, formatBdf } from '../../../core/bdf.ts';
import { isPcibackError } from '../../../core/errors/index.ts';
import type { Placeable } from '../../../core/slots.ts';
import plugin, { vpci } from '../../../plugins/slots/vpci.ts';
import { placeable } from '../../kit/placeable.ts';

const virtual = { virtualFunction: true };

const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return isPcibackError(error) ? error.code : String(error);
  }
};

/** Adds each and returns the virtual addresses. */
const place = (...devices: Placeable[]): string[] => {
  const map = vpci.create<Placeable>(7);
  return devices.map((device) => formatBdf(map.add(device)));
};

describe('slot mapper vpci', () => {
  it('gives each device the next empty slot', () => {
    expect(place(placeable('03:00.0'), placeable('04:00.0'), placeable('1:03:00.0'))).toEqual([
      '0000:00:00.0',
      '0000:00:01.0',
      '0000:00:02.0',
    ]);
  });

  it('keeps the functions of one device together, in whatever order they come', () => {
    expect(place(placeable('03:00.3'), placeable('04:00.0'), placeable('03:00.0'), placeable('03:00.1'))).toEqual([
      '0000:00:00.3',
      '0000:00:01.0',
      '0000:00:00.0',
      '0000:00:00.1',
    ]);
  });

  it('a lone function keeps its number', () => {
    expect(place(placeable('03:00.5'))).toEqual(['0000:00:00.5']);
  });

  it('same bus and device in another segment is another device', () => {
    expect(place(placeable('03:00.0'), placeable('1:03:00.1'))).toEqual(['0000:00:00.0', '0000:00:01.1']);
  });

  it('a virtual function with number 0 has a slot of its own and attracts nobody', () => {
    expect(place(placeable('03:10.1'), placeable('03:10.0', virtual), placeable('03:10.2', virtual))).toEqual([
      '0000:00:00.1',
      '0000:00:01.0',
      '0000:00:00.2',
    ]);
    expect(place(placeable('03:10.0', virtual), placeable('03:10.1', virtual), placeable('03:10.2', virtual))).toEqual([
      '0000:00:00.0',
      '0000:00:01.1',
      '0000:00:01.2',
    ]);
  });

  it('the first device of a slot says who may join, also after another one left', () => {
    const map = vpci.create<Placeable>(7);
    const first = placeable('03:00.0');
    map.add(first);
    map.add(placeable('03:00.1'));
    map.remove(first);
    expect(formatBdf(map.add(placeable('03:00.2')))).toBe('0000:00:00.2');
    expect(formatBdf(map.add(placeable('04:00.0')))).toBe('0000:00:01.0');
  });

  it('a slot that is empty again is used again', () => {
    const map = vpci.create<Placeable>(7);
    const first = placeable('03:00.0');
    map.add(first);
    map.add(placeable('04:00.0'));
    map.remove(first);
    expect(formatBdf(map.add(placeable('05:00.1')))).toBe('0000:00:00.1');
  });

  it.each([
    ['a bridge (D-V1)', { class: 0x060400, headerType: 1 }],
    ['a host bridge', { class: 0x060000 }],
    ['a bridge by its header (S-17)', { class: 0x088000, headerType: 1 }],
  ])('refuses %s', (_name, identity) => {
    const map = vpci.create<Placeable>(7);
    const bridge = placeable('00:1c.0', identity);
    expect(codeOf(() => map.add(bridge))).toBe('SLOT_BRIDGE');
    expect(map.find(bridge)).toBeUndefined();
    expect(formatBdf(map.add(placeable('03:00.0')))).toBe('0000:00:00.0');
  });

  it('does not take a class whose lower bytes are 06 for a bridge', () => {
    expect(place(placeable('03:00.0', { class: 0x020006 }), placeable('04:00.0', { class: 0x010600 }))).toHaveLength(2);
  });

  it('D-V6: refuses a device twice', () => {
    const map = vpci.create<Placeable>(7);
    map.add(placeable('03:00.0'));
    expect(codeOf(() => map.add(placeable('03:00.0')))).toBe('SLOT_DUPLICATE');
    expect(codeOf(() => map.add(placeable('03:00.0'), 0x28))).toBe('SLOT_DUPLICATE');
  });

  it('refuses the 33rd device and still takes a function of one that is there', () => {
    const map = vpci.create<Placeable>(7);
    for (let bus = 1; bus <= 32; bus++) map.add(placeable(bdf(0, bus, 0)));
    expect(codeOf(() => map.add(placeable('40:00.0')))).toBe('SLOT_FULL');
    expect(formatBdf(map.add(placeable('05:00.7')))).toBe('0000:00:04.7');
  });

  describe('D-V8: the slot that was asked for', () => {
    it('is given when it is empty', () => {
      const map = vpci.create<Placeable>(7);
      expect(formatBdf(map.add(placeable('03:00.0'), 0x28))).toBe('0000:00:05.0');
      expect(formatBdf(map.add(placeable('04:00.0')))).toBe('0000:00:00.0');
    });

    it('the function number is the device’s own', () => {
      const map = vpci.create<Placeable>(7);
      expect(formatBdf(map.add(placeable('03:00.2'), 0x28))).toBe('0000:00:05.2');
    });

    it('is shared with functions of the same device only', () => {
      const map = vpci.create<Placeable>(7);
      map.add(placeable('03:00.0'), 0x28);
      expect(formatBdf(map.add(placeable('03:00.1'), 0x29))).toBe('0000:00:05.1');
      expect(formatBdf(map.add(placeable('04:00.0'), 0x28))).toBe('0000:00:00.0');
      expect(formatBdf(map.add(placeable('03:00.2', virtual), 0x28))).toBe('0000:00:05.2');
    });

    it('is not shared with a virtual function 0', () => {
      const map = vpci.create<Placeable>(7);
      map.add(placeable('03:10.0', virtual), 0x28);
      expect(formatBdf(map.add(placeable('03:10.1', virtual), 0x29))).toBe('0000:00:00.1');
      const other = vpci.create<Placeable>(7);
      other.add(placeable('03:10.1', virtual), 0x28);
      expect(formatBdf(other.add(placeable('03:10.0', virtual), 0x28))).toBe('0000:00:00.0');
    });

    it.each([-1, 256, 2 ** 32 + 8, 0.5, Number.NaN])('is ignored when it is %d', (wanted) => {
      const map = vpci.create<Placeable>(7);
      map.add(placeable('02:00.0'));
      expect(formatBdf(map.add(placeable('03:00.0'), wanted))).toBe('0000:00:01.0');
    });
  });

  it('answers for its own addresses only, whatever the numbers are', () => {
    const map = vpci.create<Placeable>(7);
    const device = placeable('03:00.1');
    map.add(device);
    expect(map.lookup(0, 0, 1)).toBe(device);
    const strange = [-1, 256, 257, 0x101, 2 ** 31, 2 ** 32 + 1, -0xff, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY];
    for (const number of strange) {
      expect(map.lookup(0, 0, number)).toBeUndefined();
      expect(map.lookup(number, 0, 1)).toBeUndefined();
      expect(map.lookup(0, number, 1)).toBeUndefined();
    }
    for (const [segment, bus, devfn] of [
      [0, 0, 0],
      [0, 3, 1],
      [1, 0, 1],
    ] as const) {
      expect(map.lookup(segment, bus, devfn)).toBeUndefined();
    }
  });

  it('a device that left is nowhere; leaving twice is harmless', () => {
    const map = vpci.create<Placeable>(7);
    const device = placeable('03:00.0');
    map.add(device);
    map.remove(device);
    map.remove(device);
    map.remove(placeable('09:00.0'));
    expect(map.lookup(0, 0, 0)).toBeUndefined();
    expect(map.find(device)).toBeUndefined();
    expect(formatBdf(map.add(device))).toBe('0000:00:00.0');
  });

  it('one root, 0000:00', () => {
    const map = vpci.create<Placeable>(7);
    map.add(placeable('2:03:00.0'));
    map.add(placeable('04:00.0'));
    expect(map.roots()).toEqual([{ segment: 0, bus: 0 }]);
  });

  it('guests have maps of their own', () => {
    const device = placeable('03:00.0');
    vpci.create<Placeable>(7).add(device);
    expect(vpci.create<Placeable>(8).find(device)).toBeUndefined();
  });

  it('the plugin registers the mapper', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'slots/vpci', api: '^1.0' });
  });
});

describe('vpci, for any devices coming and going', () => {
  const step = fc.record({
    action: fc.constantFrom('add' as const, 'add' as const, 'add' as const, 'remove' as const),
    segment: fc.integer({ min: 0, max: 1 }),
    bus: fc.integer({ min: 0, max: 3 }),
    device: fc.integer({ min: 0, max: 5 }),
    fn: fc.integer({ min: 0, max: 7 }),
    virtualFunction: fc.boolean(),
    wanted: fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined }),
  });

  it('a device is where it was placed, keeps its function number, and no two are at one address', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const map = vpci.create<Placeable>(7);
        const placed = new Map<number, { device: Placeable; at: number }>();
        for (const { action, segment, bus, device: slot, fn, virtualFunction, wanted } of steps) {
          const address = bdf(segment, bus, (slot << 3) | fn);
          const known = placed.get(address);
          if (action === 'remove') {
            if (known) map.remove(known.device);
            placed.delete(address);
            continue;
          }
          const device = placeable(address, { virtualFunction });
          const code = codeOf(() => {
            const at = map.add(device, wanted);
            expect([...placed.values()].some((other) => other.at === at)).toBe(false);
            expect(devfnOf(at) % 8).toBe(fn);
            placed.set(address, { device, at });
          });
          if (known) expect(code).toBe('SLOT_DUPLICATE');
          else if (code !== undefined) expect(code).toBe('SLOT_FULL');
        }
        let found = 0;
        for (let devfn = 0; devfn < 256; devfn++) if (map.lookup(0, 0, devfn) !== undefined) found++;
        expect(found).toBe(placed.size);
        for (const { device, at } of placed.values()) {
          expect(map.lookup(0, 0, at & 0xff)).toBe(device);
          expect(map.find(device)).toBe(at);
        }
        // Who shares a slot is one physical device, and no virtual function 0 is among them.
        for (const one of placed.values()) {
          for (const other of placed.values()) {
            if (one === other || one.at >>> 3 !== other.at >>> 3) continue;
            expect(one.device.identity.bdf >>> 3).toBe(other.device.identity.bdf >>> 3);
            expect(one.device.identity.virtualFunction && one.at % 8 === 0).toBe(false);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

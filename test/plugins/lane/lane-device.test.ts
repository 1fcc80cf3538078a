// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { OP_START, Page } from '../../../core/ring/layout.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { header, register } from '../../../core/space/declaration.ts';
import type { RefusedWrite } from '../../../core/space/refusal.ts';
import { Refusals } from '../../../plugins/lane/refusals.ts';
import { FakeDevice, type FakeFunction } from '../../kit/index.ts';
import { silentWall } from '../../kit/silent-wall.ts';
import { type Access, controls, direct, intxWords, saysOfIntx, shared, side } from './shared-device.ts';

const places = [0x00, 0x04, 0x06, 0x0c, 0x0d, 0x0f, 0x10, 0x14, 0x18, 0x1c, 0x30, 0x3c, 0x40, 0xc8, 0xcc, 0xd2];
const more = [0xa0, 0xa2, 0xe8, 0xea, 0xf0, 0xf8, 0x100, 0x104, 0x110, 0x200, 0xffc];
const values = [0, 0xffffffff, 0x103, 0x100, 0x107, 0x147, 0x507, 0xf7d00000, 0xf7d2000c, 0xe001, 0x10, 0x2810, 0x8000];

/** The command register has more state than the others together, and needs several writes in a row to get through it. */
const switching = fc
  .constantFrom(0x100, 0x103, 0x102, 0x503, 0x500, 0x107, 0x104, 0x106, 0x507, 0x403, 0x547)
  .map((value): Access => ({ write: true, offset: 0x04, size: 2, value }));

const anywhere = fc
  .record({
    write: fc.boolean(),
    at: fc.oneof(fc.constantFrom(...places, ...more), fc.integer({ min: -4, max: 4100 })),
    size: fc.constantFrom(4, 4, 2, 1),
    value: fc.oneof(fc.constantFrom(...values), fc.integer({ min: 0, max: 0xffffffff })),
  })
  .map(
    ({ write, at, size, value }): Access => ({
      write,
      offset: at - (((at % size) + size) % size),
      size: size as 1 | 2 | 4,
      value,
    }),
  );

/** Control words, alone, in parts, and with the head of their capability, which nobody may write either. */
const words = fc
  .constantFrom<readonly [number, 1 | 2 | 4, number]>(
    ...[0x0004, 0x8004, 0xc004, 0x4004].map((value) => [0xa2, 2, value] as const),
    ...[0x0080, 0x0081, 0x0180].map((value) => [0xd2, 2, value] as const),
    ...[0x80, 0x00, 0xc0].map((value) => [0xa3, 1, value] as const),
    ...[0x00040011, 0x80040011, 0x80040012, 0x00040012].map((value) => [0xa0, 4, value] as const),
  )
  .map(([offset, size, value]): Access => ({ write: true, offset, size, value }));

const access = fc.oneof(
  { weight: 3, arbitrary: anywhere },
  { weight: 1, arbitrary: switching },
  { weight: 1, arbitrary: words },
);

/** Something else changes a control word in hardware: requests of the guest through the ring do. */
const changed = fc.option(fc.constantFrom(0x8004, 0xc004, 0x0004), { nil: undefined, freq: 2 });

/** The lane is shown the device anew: another policy of the same answer promises it, or does not. */
const replaced = fc.option(fc.constantFrom('virtual', 'asked in vain'), { nil: undefined, freq: 10 });

const step = fc.tuple(access, changed, replaced);
const setting = fc.record({ intx: fc.constantFrom(...intxWords), control: fc.constantFrom(...controls) });

/** The function's config space as a mapped page. */
const mapped = (hardware: FakeFunction): ArrayBufferLike => hardware.image.buffer;

/** Always the same accesses, so that a run says nothing of the machine nor of luck. */
const fixed = { seed: 12, numRuns: 120 };

it.each(['its file', 'its file and its mapped page'])(
  'a device shared by a lane that has %s and the control thread is the device of the control thread alone',
  (means) => {
    expect(OP_START).toBe(Page.cmd);
    let lane = 0;
    let all = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), setting, (accesses, setting) => {
        const one = direct(side(setting));
        const two = shared(side(setting), { page: means === 'its file' ? undefined : mapped });
        for (const [each, word, intx] of accesses) {
          if (intx !== undefined && (setting.intx === 'virtual' || setting.intx === 'asked in vain')) {
            for (const { device } of [one, two]) saysOfIntx(device, intx);
            two.show();
          }
          for (const { hardware } of [one, two]) if (word !== undefined) hardware.put(0xa2, 2, word);
          expect([each, two.does(each)]).toEqual([each, one.does(each)]);
          // At once, whatever is put off: the device may master the bus, or may not.
          expect([each, two.hardware.get(0x04, 2)]).toEqual([each, one.hardware.get(0x04, 2)]);
        }
        two.catchUp();
        expect(two.hardware.image).toEqual(one.hardware.image);
        expect(two.device.enabled).toBe(one.device.enabled);
        expect(two.device.busMaster).toBe(one.device.busMaster);
        expect(two.denied).toEqual(one.denied);
        expect(two.failed).toEqual(one.failed);
        for (const counts of ['reads', 'writes', 'denied'] as const) {
          expect(two.space.counts[counts]).toEqual(one.space.counts[counts]);
        }
        expect(two.space.table.words).toEqual(one.space.table.words);
        lane += accesses.length - two.handed;
        all += accesses.length;
      }),
      fixed,
    );
    // Not by leaving everything to the control thread.
    expect(lane / all).toBeGreaterThan(0.5);
  },
  60_000,
);

it('a scan sizes the base address registers with two requests that need code', () => {
  const two = shared();
  const does = (write: boolean, offset: number, size: 1 | 2 | 4, value = 0) => two.does({ write, offset, size, value });
  for (const bar of [0x10, 0x14, 0x18, 0x1c, 0x30]) {
    const [, before] = does(false, 0x04, 2);
    does(true, 0x04, 2, before & ~3);
    const [, address] = does(false, bar, 4);
    does(true, bar, 4, 0xffffffff);
    does(false, bar, 4);
    does(true, bar, 4, address);
    does(true, 0x04, 2, before);
    expect(does(false, bar, 4)[1]).toBe(address);
  }
  // Switched on once, and never off in between.
  expect(two.device.calls.filter((call) => call === 'enable')).toEqual(['enable']);
  expect(two.device.calls).not.toContain('disable');
  expect(two.handed).toBeLessThanOrEqual(2);
});

it('a gate that stays closed is closed in the device too, when there is time', () => {
  const two = shared();
  two.does({ write: true, offset: 0x04, size: 2, value: 0x103 });
  expect(two.device.enabled).toBe(true);
  two.does({ write: true, offset: 0x04, size: 2, value: 0x100 });
  expect(two.device.enabled).toBe(true);
  two.catchUp();
  expect(two.device.enabled).toBe(false);
  expect(two.does({ write: false, offset: 0x04, size: 2, value: 0 })[1]).toBe(0x100);
});

it('a gate that waits to be closed is not closed after a newer write', () => {
  const two = shared();
  two.does({ write: true, offset: 0x04, size: 2, value: 0x103 });
  two.does({ write: true, offset: 0x04, size: 2, value: 0x100 });
  two.space.write(0x04, 2, 0x103);
  two.catchUp();
  expect(two.device.enabled).toBe(true);
});

it('a gate that waits is closed although the table in force has no description', () => {
  const two = shared();
  two.does({ write: true, offset: 0x04, size: 2, value: 0x103 });
  two.does({ write: true, offset: 0x04, size: 2, value: 0x100 });
  two.space.swap(two.compile('permissive', two.space.table));
  expect(two.space.table.described).toEqual([]);
  two.space.closeGates();
  expect(two.device.enabled).toBe(false);
});

it('a gate that was open when its register came can be closed', () => {
  const two = shared(side({ enabled: true }));
  two.does({ write: true, offset: 0x04, size: 2, value: 0x100 });
  expect(two.handed).toBe(0);
  two.catchUp();
  expect(two.device.enabled).toBe(false);
});

it('refused writes are noted until there is no room, each distinct one once', () => {
  const refusals = new Refusals();
  const refused = (offset: number, value: number) => ({ offset, size: 4, value, mask: 1, times: 1 });
  let places = 0;
  for (; !refusals.isFull; places++) refusals.add(1, refused(places * 4, places));
  expect(places).toBe(64);
  refusals.add(1, refused(8, 99));
  const taken: [number, RefusedWrite][] = [];
  refusals.take((address, write) => taken.push([address, { ...write }]));
  expect(taken).toHaveLength(64);
  expect(taken[2]).toEqual([1, { offset: 8, size: 4, value: 99, mask: 1, times: 2 }]);
  expect([refusals.any, refusals.isFull]).toEqual([false, false]);
});

it('a device that masters the bus is switched off at once', () => {
  const [one, two] = [direct(), shared()];
  for (const value of [0x107, 0x104]) {
    const write = { write: true, offset: 0x04, size: 2, value } as const;
    expect(two.does(write)).toEqual(one.does(write));
  }
  expect(two.handed).toBe(2);
  expect(two.device.calls).toEqual(one.device.calls);
});

it('a device that its guest keeps from its line is switched off at once: switching it on clears that', () => {
  const [one, two] = [direct(side({ intx: 'hardware' })), shared(side({ intx: 'hardware' }))];
  for (const value of [0x103, 0x503, 0x500, 0x503]) {
    const write = { write: true, offset: 0x04, size: 2, value } as const;
    expect(two.does(write)).toEqual(one.does(write));
  }
  two.catchUp();
  expect(two.hardware.get(0x04, 2)).toBe(one.hardware.get(0x04, 2));
  expect(two.hardware.get(0x04, 2) & 0x0400).toBe(0);
});

it('a register that is not all of one behaviour is left to the behaviour', () => {
  const shows = { words: 4, steady: true, read: () => 0x55, write: () => 0 } as const;
  const twofold = { ...shows, described: { kind: 'twofold', first: 0, second: 1, chosen: 2, fixed: 3 } } as const;
  const describedAt = (mask: number) => {
    const set = header('a set', [0], [register(0x40, 16, 'a register').calls(twofold, mask)]);
    const { hardware } = side();
    const table = compileSpace(new FakeDevice(hardware), [{ owner: 'test', set }], {
      wall: silentWall(),
      unhandled: 'drop',
      skipped: () => undefined,
    });
    return table.described[0x40 >> 2];
  };
  expect(describedAt(0xffff)).toMatchObject({ offset: 0x40 });
  expect(describedAt(0x00ff)).toBeNull();
});

it('an address that the device has lost is put back', () => {
  const two = shared();
  two.hardware.put(0x10, 4, 0);
  two.does({ write: true, offset: 0x10, size: 4, value: 0xf7d00000 });
  expect(two.hardware.get(0x10, 4)).toBe(0xf7d00000);
});

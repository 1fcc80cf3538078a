// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { Behaviour } from '../../core/space/behaviour.ts';
import { compileSpace, HOST_WORDS, stateOfTable } from '../../core/space/compile.ts';
import { header, type Register, register } from '../../core/space/declaration.ts';
import { clearOnly, lock, onlyValues, onlyWhile } from '../../quirks/blocks.ts';
import { lacksCapability, offCapabilityHeaders, onCapabilityHeader } from '../../quirks/conditions.ts';
import { FakeDevice, FakeFunction, type FakeFunctionSettings } from '../kit/fake-function.ts';
import { guestView } from '../kit/guest-view.ts';
import { silentWall } from '../kit/silent-wall.ts';

const view = (registers: readonly Register[], settings: FakeFunctionSettings = {}) =>
  guestView([header('set', [0], registers)], settings);

describe('onlyValues', () => {
  const values = onlyValues([0x20, 0x40], 'no');
  const make = () => view([register(0x40, 8, 'r').calls(values, 0xf0)], { image: [[0x40, 1, 0x17]] });

  it('takes the listed values of its bits, each time they are written', () => {
    const guest = make();
    for (const value of [0x20, 0x4f, 0x40]) guest.write(0x40, 1, value);
    expect(guest.hardware.writes).toEqual([
      [0x40, 1, 0x27],
      [0x40, 1, 0x47],
      [0x40, 1, 0x47],
    ]);
    expect(guest.refused.map(({ mask, why }) => [mask, why])).toEqual([
      [0x07, undefined],
      [0x08, undefined],
      [0x07, undefined],
    ]);
  });

  it('refuses the bits that another value would change, and not what is there already', () => {
    const guest = make();
    guest.write(0x40, 1, 0x17);
    expect(guest.refused).toEqual([]);
    guest.write(0x40, 1, 0x37);
    expect(guest.refused).toEqual([{ offset: 0x40, size: 1, value: 0x37, mask: 0x20, why: 'no' }]);
    expect(guest.hardware.writes).toEqual([]);
  });

  it('works on all 32 bits without a mask', () => {
    const guest = view([register(0x40, 32, 'r').calls(onlyValues([0xfedcba98], 'no'))]);
    guest.write(0x40, 4, 0xfedcba98);
    guest.write(0x40, 4, 0x80000000);
    expect(guest.hardware.writes).toEqual([[0x40, 4, 0xfedcba98]]);
    expect(guest.refused.map(({ mask }) => mask)).toEqual([0x7edcba98]);
  });
});

describe('clearOnly', () => {
  it('clears what is written as zero and refuses what would be set, bit by bit', () => {
    const guest = view([register(0x40, 8, 'r').calls(clearOnly('no'), 0x3c)], { image: [[0x40, 1, 0xd8]] });
    guest.write(0x40, 1, 0xcc);
    expect([guest.hardware.get(0x40, 1), guest.refused.map(({ mask, why }) => [mask, why])]).toEqual([
      0xc8,
      [[0x04, 'no']],
    ]);
    guest.write(0x40, 1, 0xc8);
    expect(guest.hardware.writes).toHaveLength(1);
  });
});

describe('onlyWhile', () => {
  it('asks for each write, with the value', () => {
    const asked: number[] = [];
    const shared = { words: 1 };
    const even = onlyWhile(
      (_at, value) => {
        asked.push(value);
        return value % 2 === 0;
      },
      'odd',
      shared,
    );
    const guest = view([register(0x40, 8, 'r').calls(even, 0x0f)], { image: [[0x40, 1, 0x51]] });
    for (const value of [0x54, 0x53, 0x54]) guest.write(0x40, 1, value);
    expect(asked).toEqual([0x54, 0x53, 0x54]);
    expect(guest.hardware.writes).toEqual([
      [0x40, 1, 0x54],
      [0x40, 1, 0x54],
    ]);
    expect(guest.refused.map(({ mask, why }) => [mask, why])).toEqual([[0x07, 'odd']]);
  });
});

describe('lock', () => {
  it('has no key that was not made', () => {
    expect(() => lock({ value: 1 }).key(1)).toThrow('the lock has no key number 1');
  });

  it('goes on in the next table of the same guest, and starts anew for the next guest', () => {
    const made = lock({ value: 0x57, rests: [0x01] });
    const registers = [
      register(0x40, 8, 'key').calls(made.key()),
      register(0x60, 8, 'target').calls(made.opens(), 0x0f),
    ];
    const device = new FakeDevice(new FakeFunction({ image: [[0x40, 1, 0x11]] }));
    const compile = (previous?: ReturnType<typeof compileSpace>) =>
      compileSpace(device, [{ owner: 'test', set: header('set', [0], registers) }], {
        wall: silentWall(),
        unhandled: 'drop',
        skipped: () => {},
        ...(previous === undefined ? {} : { previous: stateOfTable(previous) }),
      });
    const registerOf = (table: ReturnType<typeof compile>, offset: number) => {
      const found = table.registers[offset >> 2]?.[0];
      if (found === undefined) throw new Error('no such register');
      return found;
    };
    const first = compile();
    registerOf(first, 0x40).behaviour.write?.(registerOf(first, 0x40), 0x57);
    expect(device.hardware.get(0x40, 1)).toBe(0x57);
    const second = compile(first);
    const key = registerOf(second, 0x40);
    expect(key.words).toBe(registerOf(second, 0x60).words);
    expect([...key.words]).toEqual([1, 0x11]);
    // The first value is still the one that the guest found.
    key.behaviour.write?.(key, 0x11);
    expect([device.hardware.get(0x40, 1), [...key.words]]).toEqual([0x11, [0, 0x11]]);
    device.hardware.put(0x40, 1, 0x57);
    expect([...registerOf(compile(), 0x40).words]).toEqual([0, 0x57]);
  });
});

describe('state words', () => {
  const behaviour = (words: number): Behaviour => ({ words });

  it('are apart for registers of their own, one for those that share', () => {
    const one = { words: 3 };
    const guest = view([
      register(0x40, 8, 'a').calls(behaviour(2)),
      register(0x44, 8, 'b').calls({ shared: one }),
      register(0x48, 8, 'c').calls({ shared: { words: 1 } }),
      register(0x4c, 8, 'd').calls({ shared: one, words: 9 }),
      register(0x50, 8, 'e').calls(behaviour(1)),
    ]);
    const words = [0x40, 0x44, 0x48, 0x4c, 0x50].map((offset) => guest.table.registers[offset >> 2]?.[0]?.words);
    expect(words.map((some) => some?.length)).toEqual([2, 3, 1, 3, 1]);
    expect(guest.table.words).toHaveLength(HOST_WORDS + 7);
    for (const [index, some] of words.entries()) some?.fill(index + 1);
    expect([...guest.table.words.subarray(HOST_WORDS)]).toEqual([1, 1, 4, 4, 4, 3, 5]);
  });
});

describe('conditions on places', () => {
  const withList = new FakeFunction({
    image: [
      [0x06, 2, 0x0010],
      [0x34, 1, 0x40],
      [0x40, 2, 0x6005],
      [0x60, 2, 0x0009],
    ],
  });

  it('know id and next pointer of each capability from everything else', () => {
    const offsets = [0x3f, 0x40, 0x41, 0x42, 0x60, 0x61, 0x62];
    const expected = [false, true, true, false, true, true, false];
    expect(offsets.map((offset) => onCapabilityHeader(offset)(withList, 0))).toEqual(expected);
    expect(offsets.map((offset) => offCapabilityHeaders(offset)(withList, 0))).toEqual(expected.map((one) => !one));
    expect(onCapabilityHeader(0x41)(new FakeFunction(), 0)).toBe(false);
  });

  it('know which ids are missing', () => {
    expect([0x05, 0x09, 0x10].map((id) => lacksCapability(id)(withList, 0))).toEqual([false, false, true]);
  });
});

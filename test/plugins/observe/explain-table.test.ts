// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import type { Contribution } from '../../../core/space/compile.ts';
import { capability, header, register } from '../../../core/space/declaration.ts';
import {
  type ExplainedSpace,
  explainBytes,
  explainMap,
  explainRegisters,
} from '../../../plugins/observe/explain-table.ts';
import { guestView } from '../../kit/guest-view.ts';

const sets = [
  header(
    'set',
    [0],
    [
      register(0x40, 32, 'mixed')
        .readOnly(0x0f)
        .writable(0xf0)
        .clearedByOne(0x100)
        .reserved(0x200)
        .shows(0x1000, 0xf000),
      register(0x44, 16, 'own').emulated(undefined, 0xbeef),
      register(0x48, 8, 'coded').calls({ about: { write: 'rings a bell' }, write: () => 0 }),
      register(0x49, 8, 'a / b').calls({ read: () => 1 }),
    ],
  ),
  capability(0x09, 'vendor', [register(0x04, 16, 'doorbell').writable()]),
];
const settings = {
  image: [
    [0x06, 2, 0x10],
    [0x34, 1, 0x60],
    [0x60, 2, 0x0009],
  ] as const,
};

const subject = (permissive: 'drop' | 'permissive' = 'drop'): ExplainedSpace & ReturnType<typeof guestView> => {
  const view = guestView(sets, settings, (device) => {
    device.permissive = permissive === 'permissive';
  });
  const contributions: Contribution[] = sets.map((set) => ({ owner: 'test', set }));
  return { ...view, contributions, unhandled: permissive, isQuirk: () => false, baseOf: () => 0 };
};

describe('an explanation of bytes', () => {
  it('says of each bit who owns it and what accesses do', () => {
    const [part] = explainBytes(subject(), 0x40, 4);
    expect(part?.bits.map(({ high, low, owner, read, write }) => [high, low, owner, read, write])).toEqual([
      [31, 16, 'policy: drop', 'hardware', 'refused: no field'],
      [15, 12, 'test: set / mixed', 'always 0x1', 'refused: fixed'],
      [11, 10, 'policy: drop', 'hardware', 'refused: no field'],
      [9, 9, 'test: set / mixed', 'hardware', 'ignored'],
      [8, 8, 'test: set / mixed', 'hardware', 'a one goes to hardware, a zero never'],
      [7, 4, 'test: set / mixed', 'hardware', 'goes to hardware'],
      [3, 0, 'test: set / mixed', 'hardware', 'refused: read-only'],
    ]);
  });

  it('shows the guest’s own value as it is now', () => {
    const one = subject();
    const read = () => explainBytes(one, 0x44, 2)[0]?.bits[0]?.read;
    expect(read()).toBe("the guest's own value, now 0xbeef");
    one.write(0x44, 2, 0x1234);
    expect(read()).toBe("the guest's own value, now 0x1234");
  });

  it('takes the words of a behaviour, or says that it decides', () => {
    const words = (offset: number) =>
      explainBytes(subject(), offset, 1)[0]?.bits.map(({ read, write }) => [read, write]);
    expect(words(0x48)).toEqual([['hardware', 'rings a bell']]);
    expect(words(0x49)).toEqual([['as the field decides', 'refused: read-only']]);
  });

  it('splits at dwords, counts bits from the part, and ends with config space', () => {
    const parts = explainBytes(subject(), 0x42, 4);
    expect(parts.map(({ offset, size }) => [offset, size])).toEqual([
      [0x42, 2],
      [0x44, 2],
    ]);
    expect(parts[0]?.bits).toMatchObject([{ high: 15, low: 0, policy: 'none' }]);
    expect(explainBytes(subject(), 0xffc, 8)).toHaveLength(1);
  });

  it('covers every bit of config space exactly once', () => {
    const parts = explainBytes(subject(), 0, 4096);
    const bits = parts.flatMap((part) => part.bits.map(({ high, low }) => high - low + 1));
    expect(bits.reduce((sum, one) => sum + one, 0)).toBe(4096 * 8);
  });

  it('says what permissive does', () => {
    expect(explainBytes(subject('permissive'), 0x80, 1)[0]?.bits).toMatchObject([
      { owner: 'policy: permissive', kind: 'permissive', write: 'goes to hardware' },
    ]);
  });

  it('counts the accesses', () => {
    const one = subject();
    one.read(0x40, 4);
    one.read(0x40, 2);
    one.write(0x43, 1, 0xff);
    one.write(0x40, 1, 0x00);
    const counts = (offset: number) => explainBytes(one, offset, 1)[0]?.counts;
    expect(counts(0x40)).toEqual({ reads: 2, writes: 1, denied: 0 });
    expect(counts(0x43)).toEqual({ reads: 1, writes: 1, denied: 1 });
    expect(counts(0x44)).toEqual({ reads: 0, writes: 0, denied: 0 });
  });

  it('counts a denied byte only where bits of it were refused', () => {
    const one = subject();
    one.write(0x40, 4, 0xff0000f0);
    expect([0x40, 0x41, 0x42, 0x43].map((at) => one.space.counts.denied[at])).toEqual([0, 1, 0, 1]);
  });
});

describe('an overview of registers', () => {
  it('has each register once, with its bytes and bits', () => {
    const registers = explainRegisters(subject());
    expect(registers.map(({ first, last, owner }) => [first, last, owner])).toEqual([
      [0x40, 0x41, 'test: set / mixed'],
      [0x44, 0x45, 'test: set / own'],
      [0x48, 0x48, 'test: set / coded'],
      [0x49, 0x49, 'test: set / a / b'],
      [0x60, 0x60, 'capability list / capability id'],
      [0x61, 0x61, 'capability list / next capability'],
      [0x64, 0x65, 'test: vendor / doorbell'],
    ]);
    expect(registers[0]?.bits).toEqual({ readOnly: 4, writable: 4, clearedByOne: 1, reserved: 1, shown: 4 });
  });

  it('keeps the registers of several capabilities apart', () => {
    const image = [
      [0x06, 2, 0x10],
      [0x34, 1, 0x60],
      [0x60, 2, 0x7009],
      [0x70, 2, 0x0001],
    ] as const;
    const view = guestView([], { image });
    const all = explainRegisters({
      space: view.space,
      contributions: [],
      unhandled: 'drop',
      isQuirk: () => false,
      baseOf: () => 0,
    });
    expect(all.map(({ first, last }) => [first, last])).toEqual([
      [0x60, 0x60],
      [0x61, 0x61],
      [0x70, 0x70],
      [0x71, 0x71],
    ]);
  });
});

describe('a map', () => {
  it('has a letter per byte for owner and access', () => {
    const one = subject();
    one.read(0x40, 4);
    one.write(0x44, 1, 1);
    one.write(0x50, 1, 1);
    const { kinds, marks } = explainMap(one);
    expect([kinds.length, marks.length]).toEqual([4096, 4096]);
    expect(kinds.slice(0x40, 0x52)).toBe('HH..HH..HH........');
    expect(marks.slice(0x40, 0x52)).toBe('rrrrw...........d.');
    expect(kinds.slice(0x60, 0x68)).toBe('LL..CC..');
  });

  it('shows the quirk where it shares a byte', () => {
    const quirky = { ...subject(), isQuirk: (owner: string) => owner === 'test' };
    expect(explainMap(quirky).kinds.slice(0x40, 0x42)).toBe('QQ');
  });
});

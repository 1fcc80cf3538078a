// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { header, register } from '../../../core/space/declaration.ts';
import { Interpreter } from '../../../core/space/interpreter.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { refusalNote } from '../../../core/space/refusal.ts';
import { FakeDevice, FakeFunction } from '../../kit/fake-function.ts';
import { silentWall } from '../../kit/silent-wall.ts';

/** Low byte of each: code, writable, the guest's own, read-only, and a writable byte with a gap above it. */
const registers = [
  register(0x40, 8, 'code').calls({ read: () => 7, write: () => 0 }),
  register(0x41, 8, 'beside code').emulated(undefined, 0x11),
  register(0x44, 32, 'writable').writable(0x0000ffff).reserved(),
  register(0x48, 32, 'own').emulated(0x00ff00ff, 0x00aa00bb).readOnly(),
  register(0x4c, 16, 'part').writable(0x0f0f).readOnly(),
  register(0x50, 8, 'steady').calls({ steady: true, read: (at) => at.read(), write: () => 0 }),
  register(0x51, 8, 'beside steady').writable(),
];

const world = () => {
  const hardware = new FakeFunction({
    image: [
      [0x48, 4, 0x12345678],
      [0x4c, 4, 0x87654321],
    ],
  });
  const set = header('a set', [0], registers);
  const options = { wall: silentWall(), unhandled: 'drop', skipped: () => undefined } as const;
  const { bits } = compileSpace(new FakeDevice(hardware), [{ owner: 'test', set }], options);
  const counts = { reads: new Uint32Array(4096), writes: new Uint32Array(4096) };
  const table = new Interpreter({ ...bits, ...counts }, hardware, refusalNote());
  hardware.forget();
  /** All that an access can change. */
  const state = () => [hardware.image, bits.shadow, counts.reads, counts.writes].map((one) => [...one]);
  return { hardware, table, counts, state };
};

describe('an interpreter of a table', () => {
  it.each([
    [-4, 4],
    [2, 4],
    [1, 2],
    [0, 3],
    [0, 8],
    [4096, 1],
    [4094, 4],
    [0x7fffffff, 1],
  ])('takes no access at %d of %d bytes', (offset, size) => {
    const { table, state, hardware } = world();
    const before = state();
    expect([table.read(offset, size), table.bits]).toEqual([Status.invalidOffset, 0]);
    expect(table.write(offset, size, 0xff)).toBe(Status.invalidOffset);
    expect([state(), hardware.log]).toEqual([before, []]);
  });

  it.each([
    ['code', 0x40, 1],
    ['code and more', 0x40, 2],
    ['a write in parts', 0x44, 4],
    ['what may change a steady register beside it', 0x51, 1],
  ] as const)('leaves %s to code, and nothing has changed', (_, offset, size) => {
    const { table, state, hardware } = world();
    const before = state();
    expect([table.write(offset, size, 0x12345678), table.refused.mask]).toEqual([Outcome.needsCode, 0]);
    if (offset === 0x40) expect([table.read(offset, size), table.bits]).toEqual([Outcome.needsCode, 0]);
    expect([state(), hardware.log]).toEqual([before, []]);
  });

  it('does the plain part of such a write when it is told to', () => {
    const { table, hardware, counts } = world();
    table.writePlain(0x44, 4, 0x12345678);
    expect(hardware.writes).toEqual([[0x44, 2, 0x5678]]);
    table.writePlain(0x40, 2, 0x22ff);
    expect([hardware.writes.length, table.viewPlain(0x40, 2)]).toEqual([1, 0x2200]);
    expect([...counts.writes.subarray(0x40, 0x48)]).toEqual([1, 1, 0, 0, 1, 1, 1, 1]);
  });

  it('gives each bit to its owner, and notes what nobody takes', () => {
    const { table, hardware } = world();
    expect(table.write(0x48, 4, 0xffffffff)).toBe(Status.success);
    expect(table.refused).toEqual({ offset: 0x48, size: 4, value: -1, mask: ~0x12345678 & 0xff00ff00, times: 1 });
    expect([table.read(0x48, 4), table.bits >>> 0]).toEqual([Status.success, 0x12ff56ff]);
    expect(table.write(0x4c, 2, 0xffff)).toBe(Status.success);
    expect(table.refused).toMatchObject({ mask: ~0x4321 & 0xf0f0 });
    expect(hardware.writes).toEqual([[0x4c, 2, 0x4f2f]]);
    expect([table.write(0x4c, 1, 0x20), table.refused.mask]).toEqual([Status.success, 0]);
  });

  it.each(['read', 'write'] as const)('throws what hardware throws at a %s, and nothing has changed', (failing) => {
    const { table, hardware, state } = world();
    hardware.beforeAccess = (kind) => {
      if (kind === failing) throw new HostError('no answer', Errno.EIO);
    };
    const before = state();
    if (failing === 'read') expect(() => table.read(0x4c, 4)).toThrow('no answer');
    expect(() => table.write(0x4c, 2, 0xffff)).toThrow('no answer');
    expect([state(), table.bits, table.refused.mask]).toEqual([before, 0, 0]);
  });
});

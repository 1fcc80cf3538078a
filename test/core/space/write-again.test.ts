// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { compileSpace } from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import { header, register } from '../../../core/space/declaration.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { FakeDevice, FakeFunction } from '../../kit/fake-function.ts';
import { silentWall } from '../../kit/silent-wall.ts';

const registers = [
  register(0x40, 16, 'errors').clearedByOne(0x00ff).reserved(),
  register(0x42, 16, 'beside them').writable(),
  register(0x44, 16, 'event').clearedByOne(0x8000).reserved(),
  register(0x46, 16, 'beside it').calls({ write: () => 0 }),
  register(0x48, 32, 'plain').writable(),
];

const world = () => {
  const hardware = new FakeFunction();
  const set = header('a set', [0], registers);
  const options = { wall: silentWall(), unhandled: 'drop', skipped: () => undefined } as const;
  const table = compileSpace(new FakeDevice(hardware), [{ owner: 'test', set }], options);
  const space = new ConfigSpace(hardware, table, { failed: () => undefined, denied: () => undefined });
  hardware.forget();
  return { hardware, space };
};

it.each([
  ['clears nothing, and does the rest', 0x40, 4, 0x1234_00ff, 0, [0, 0x1234]],
  ['clears nothing', 0x40, 2, 0x0f, 0, [0]],
  ['in part only, by what it reaches', 0x41, 1, 0xff, Outcome.needsCode, []],
  ['that clears nothing is left to come again', 0x48, 4, 1, Outcome.needsCode, []],
  ['in which code has a part is left to come again', 0x44, 4, 0x8000, Outcome.needsCode, []],
  ['beside what code has is done', 0x44, 2, 0x8000, 0, [0]],
  ['that no access is, is left to come again', 0x41, 2, 0xff, Outcome.needsCode, []],
] as const)('a write again %s', (_, offset, size, value, outcome, written) => {
  const { hardware, space } = world();
  expect(space.writeAgain(offset, size, value)).toBe(outcome);
  expect(hardware.log.filter(({ kind }) => kind === 'write').map((one) => one.value)).toEqual(written);
});

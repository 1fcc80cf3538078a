// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { isFor, limitOf, limitsMeet, limitTo } from '../../../core/quirk/limited-quirk.ts';
import { defineQuirk, ids } from '../../../core/quirk/quirk.ts';
import { register } from '../../../core/space/declaration.ts';
import { FakeFunction } from '../../kit/fake-function.ts';

const quirk = defineQuirk({
  name: 'acme/nic',
  source: 'a test',
  match: ids('8086', ['10d3']),
  fields: [register(0x50, 8, 'window').writable()],
});
const [here, there] = [bdf(0, 3, 0), bdf(0, 4, 0)];
const nicAt = (address: typeof here, device = 0x10d3) =>
  new FakeFunction({ identity: { bdf: address, device } }).identity;

it('is for the functions that it is limited to, where it matches them', () => {
  const limited = limitTo(quirk, [here]);
  expect([isFor(limited, nicAt(here)), isFor(limited, nicAt(there))]).toEqual([true, false]);
  expect(isFor(limited, nicAt(here, 0x10d4))).toBe(false);
  expect(isFor(limitTo(quirk, []), nicAt(here))).toBe(false);
});

it('without a limit is for all that it matches', () => {
  expect([isFor(quirk, nicAt(here)), isFor(quirk, nicAt(there))]).toEqual([true, true]);
  expect([limitOf(quirk), limitOf(limitTo(quirk, [here]))]).toEqual([undefined, [here]]);
});

it('two limits meet in a function that both have', () => {
  expect([limitsMeet([here], [there]), limitsMeet([here, there], [there]), limitsMeet(undefined, [here])]).toEqual([
    false,
    true,
    true,
  ]);
});

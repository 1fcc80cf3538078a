// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, * as module from '../../../plugins/fields/host-side.ts';
import { type Place, testClosed } from '../../kit/closed-capability.ts';

const { default: _plugin, ...named } = module;
const sets = Object.values(named);
const dwords = (first: number, last: number): readonly Place[] =>
  Array.from({ length: (last - first) / 4 + 1 }, (_, index): Place => [first + 4 * index, 4]);

describe.each([
  ['processing hints', 0x0017, dwords(0x04, 0x08)],
  [
    'lightweight notification',
    0x001c,
    [
      [0x04, 2],
      [0x06, 2],
    ],
  ],
  ['multicast', 0x0012, [[0x04, 2], [0x06, 2], ...dwords(0x08, 0x24)]],
  ['dynamic power', 0x0016, [...dwords(0x04, 0x08), [0x0c, 2], [0x0e, 2]]],
  [
    'readiness queue',
    0x0021,
    [
      [0x04, 4],
      [0x08, 2],
      [0x0a, 2],
      [0x0c, 4],
    ],
  ],
  ['readiness time', 0x0022, dwords(0x04, 0x08)],
  ['hierarchy id', 0x0028, dwords(0x04, 0x1c)],
  ['lights of an enclosure', 0x0029, dwords(0x04, 0x0c)],
  ['data objects', 0x002e, dwords(0x04, 0x14)],
  ['device 3', 0x002f, dwords(0x04, 0x0c)],
  ['integrity and encryption', 0x0030, dwords(0x04, 0x08)],
] as const satisfies readonly (readonly [string, number, readonly Place[]])[])('%s', (_name, id, places) => {
  testClosed(sets, { list: 'extended', id }, places);
});

describe.each([
  ['hypertransport', 0x08, [[0x02, 2]]],
  [
    'bridge subsystem',
    0x0d,
    [
      [0x04, 2],
      [0x06, 2],
    ],
  ],
] as const satisfies readonly (readonly [string, number, readonly Place[]])[])('%s', (_name, id, places) => {
  testClosed(sets, { list: 'standard', id }, places);
});

it('the plugin is a plugin', () => {
  expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/host-side', api: '^1.0' });
});

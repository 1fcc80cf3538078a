// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { inRuns } from '../../plugins/numbered.ts';

describe('names that go on counting', () => {
  it.each([
    [['lane 0', 'lane 1', 'lane 2'], ['lane 0 to 2']],
    [
      ['pcie', 'pcie 2'],
      ['pcie', 'pcie 2'],
    ],
    [
      ['lane 0', 'lane 2'],
      ['lane 0', 'lane 2'],
    ],
    [
      ['lane 9', 'lane 10', 'BAR 11'],
      ['lane 9 to 10', 'BAR 11'],
    ],
    [
      ['header', 'BAR 0', 'BAR 1', 'tail'],
      ['header', 'BAR 0 to 1', 'tail'],
    ],
    [
      ['12', '13'],
      ['12', '13'],
    ],
    [[], []],
  ])('%j as %j', (names, runs) => {
    expect(inRuns(names)).toEqual(runs);
  });
});

// SPDX-License-Identifier: MIT

import { expect, it } from 'vitest';
import { nearest } from '../../../core/errors/nearest.ts';

it.each([
  ['vcpi', ['vpci', 'passthrough'], 'vpci'],
  ['pastrough', ['vpci', 'passthrough'], 'passthrough'],
  ['xenn', ['xen', 'embedded'], 'xen'],
  ['guest', ['vpci', 'passthrough'], undefined],
  ['xy', ['passthrough'], undefined],
  ['anything', [], undefined],
])('of %j among %j: %j', (name, known, found) => {
  expect(nearest(name, known)).toBe(found);
});

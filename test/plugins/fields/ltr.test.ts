// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { latencyTolerance } from '../../../plugins/fields/ltr.ts';
import { observeBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x0018 } as const;

describe('ltr', () => {
  it.each([0x04, 0x06])('the latency at %i is the guest’s own', (offset) => {
    expect(observeBits([latencyTolerance], settings, offset, 2)).toEqual({
      hardware: 0,
      own: 0x1fff,
      refused: 0,
      ignored: 0xe000,
      differs: 0,
    });
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/ltr', api: '^1.0' });
  });
});

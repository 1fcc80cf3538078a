// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { l1Substates } from '../../../plugins/fields/l1ss.ts';
import { observeBits, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x001e } as const;

describe('l1 substates', () => {
  it('capabilities: read-only', () => {
    expect(observeBits([l1Substates], settings, 0x04, 4)).toEqual(readOnlyBits(4));
  });

  it.each([
    ['control 1', 0x08, 0xe3ff_ff0f, 0x0000_0030, 0x1c00_00c0],
    ['control 2', 0x0c, 0x0000_00fb, 0, 0xffff_ff04],
  ] as const)('%s: the guest’s own', (_name, offset, own, refused, ignored) => {
    expect(observeBits([l1Substates], settings, offset, 4)).toEqual({
      hardware: 0,
      own,
      refused,
      ignored,
      differs: 0,
    });
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/l1ss', api: '^1.0' });
  });
});

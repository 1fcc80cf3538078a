// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { powerBudgeting } from '../../../plugins/fields/power-budgeting.ts';
import { observeBits, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x0004 } as const;

describe('power budgeting', () => {
  it('data select goes to hardware (vfio-pci: written)', () => {
    expect(observeBits([powerBudgeting], settings, 0x04, 1)).toEqual({
      hardware: 0xff,
      own: 0,
      refused: 0,
      ignored: 0,
      differs: 0,
    });
  });

  it('data and capabilities: read-only', () => {
    expect(observeBits([powerBudgeting], settings, 0x08, 4)).toEqual(readOnlyBits(4));
    expect(observeBits([powerBudgeting], settings, 0x0c, 1)).toEqual(readOnlyBits(1));
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/power-budgeting', api: '^1.0' });
  });
});

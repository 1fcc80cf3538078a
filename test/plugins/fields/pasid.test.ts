// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { processSpaces } from '../../../plugins/fields/pasid.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x001b } as const;

describe('pasid', () => {
  it.each([
    ['capabilities', 0x04, 2],
    ['control', 0x06, 2],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([processSpaces], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([processSpaces], { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of processSpaces.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/pasid', api: '^1.0' });
  });
});

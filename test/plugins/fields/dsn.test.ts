// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { serialNumber } from '../../../plugins/fields/dsn.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x0003 } as const;

describe('serial number', () => {
  it.each([
    ['lower', 0x04, 4],
    ['upper', 0x08, 4],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([serialNumber], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([serialNumber], { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of serialNumber.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/dsn', api: '^1.0' });
  });
});

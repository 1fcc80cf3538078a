// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { timeMeasurement } from '../../../plugins/fields/ptm.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x001f } as const;

describe('ptm', () => {
  it.each([
    ['capabilities', 0x04, 4],
    ['control', 0x08, 4],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([timeMeasurement], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([timeMeasurement], { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of timeMeasurement.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/ptm', api: '^1.0' });
  });
});

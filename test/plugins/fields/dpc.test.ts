// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { portContainment } from '../../../plugins/fields/dpc.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x001d } as const;

describe('dpc', () => {
  it.each([
    ['capabilities', 0x04, 2],
    ['control', 0x06, 2],
    ['status', 0x08, 2],
    ['error source', 0x0a, 2],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([portContainment], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([portContainment], { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of portContainment.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/dpc', api: '^1.0' });
  });
});

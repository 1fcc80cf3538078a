// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { accessControl } from '../../../plugins/fields/acs.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x000d } as const;

describe('acs', () => {
  it.each([
    ['capabilities', 0x04, 2],
    ['control', 0x06, 2],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([accessControl], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([accessControl], { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of accessControl.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/acs', api: '^1.0' });
  });
});

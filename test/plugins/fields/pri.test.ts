// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { pageRequests } from '../../../plugins/fields/pri.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x0013 } as const;

describe('pri', () => {
  it.each([
    ['control', 0x04, 2],
    ['status', 0x06, 2],
    ['outstanding capacity', 0x08, 4],
    ['outstanding allocation', 0x0c, 4],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([pageRequests], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([pageRequests], { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of pageRequests.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/pri', api: '^1.0' });
  });
});

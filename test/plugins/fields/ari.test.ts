// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { alternativeRouting } from '../../../plugins/fields/ari.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x000e } as const;

describe('ari', () => {
  it.each([['control', 0x06, 2]] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([alternativeRouting], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('the next function reads zero, in any access; the rest of capabilities is hardware’s', () => {
    expect(observeBits([alternativeRouting], settings, 0x04, 2)).toEqual({ ...readOnlyBits(2), differs: 0xff00 });
    const guest = capabilityView([alternativeRouting], { ...settings, body: [[0x04, 4, 0x0071_0203]] });
    expect(guest.read(placeOf('extended') + 0x04, 4)).toBe(0x0071_0003);
    expect(guest.read(placeOf('extended') + 0x05, 1)).toBe(0);
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([alternativeRouting], {
      ...settings,
      prepare: (device) => (device.permissive = true),
    });
    for (const { offset, width } of alternativeRouting.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/ari', api: '^1.0' });
  });
});

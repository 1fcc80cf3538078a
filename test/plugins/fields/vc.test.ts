// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { channelsBesideThose, multiFunctionChannels, virtualChannels } from '../../../plugins/fields/vc.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const sets = [virtualChannels, multiFunctionChannels, channelsBesideThose];

describe.each([0x0002, 0x0008, 0x0009])('virtual channels, id %i', (id) => {
  const settings = { list: 'extended', id } as const;

  it.each([
    ['port capabilities 1', 0x04, 4],
    ['port capabilities 2', 0x08, 4],
    ['port control', 0x0c, 2],
    ['port status', 0x0e, 2],
    ['channel 0 capabilities', 0x10, 4],
    ['channel 0 control', 0x14, 4],
    ['channel 0 status', 0x1a, 2],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits(sets, settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView(sets, { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of virtualChannels.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });
});

it('the plugin is a plugin', () => {
  expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/vc', api: '^1.0' });
});

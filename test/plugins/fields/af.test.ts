// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Outcome } from '../../../core/space/outcome.ts';
import plugin, { advancedFeatures } from '../../../plugins/fields/af.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const AT = placeOf('standard');
const able = {
  list: 'standard',
  id: 0x13,
  body: [
    [0x02, 1, 6],
    [0x03, 1, 0x03],
  ],
} as const;
const unable = { ...able, body: [[0x03, 1, 0x01]] } as const;

describe('advanced features', () => {
  it('vfio-pci: a function-level reset is trapped, the rest of control is nothing', () => {
    const guest = capabilityView([advancedFeatures], able);
    guest.device.resetStatus = Outcome.later;
    expect(guest.write(AT + 4, 1, 0x01)).toBe(Outcome.later);
    expect(guest.read(AT + 4, 1)).toBe(0);
    expect(guest.write(AT + 4, 1, 0xfe)).toBe(0);
    expect(guest.device.calls).toEqual(['resetFunction']);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused).toEqual([]);
  });

  it('a word with the status beside asks for a reset too', () => {
    const guest = capabilityView([advancedFeatures], able);
    guest.write(AT + 4, 2, 0x0001);
    expect(guest.device.calls).toEqual(['resetFunction']);
  });

  it('a function without that reset is not reset, and the try is recorded', () => {
    const guest = capabilityView([advancedFeatures], unable);
    expect(guest.write(AT + 4, 1, 0x01)).toBe(0);
    expect(guest.device.calls).toEqual([]);
    expect(guest.refused).toMatchObject([{ mask: 1, why: 'the function has no function-level reset' }]);
  });

  it.each([
    ['length', 0x02],
    ['capabilities', 0x03],
    ['status', 0x05],
  ] as const)('%s: read-only', (_name, offset) => {
    expect(observeBits([advancedFeatures], able, offset, 1)).toEqual(readOnlyBits(1));
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/af', api: '^1.0' });
  });
});

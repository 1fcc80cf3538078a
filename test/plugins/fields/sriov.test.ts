// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { virtualFunctions } from '../../../plugins/fields/sriov.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const settings = { list: 'extended', id: 0x0010 } as const;

describe('sr-iov', () => {
  it.each([
    ['capabilities', 0x04, 4],
    ['control', 0x08, 2],
    ['status', 0x0a, 2],
    ['number of VFs', 0x10, 2],
    ['function dependency', 0x12, 1],
    ['first VF offset', 0x14, 2],
    ['VF stride', 0x16, 2],
    ['VF device id', 0x1a, 2],
    ['supported page sizes', 0x1c, 4],
    ['system page size', 0x20, 4],
    ['migration state', 0x3c, 4],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits([virtualFunctions], settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it.each([
    ['initial VFs', 0x0c, 2],
    ['total VFs', 0x0e, 2],
    ['VF BAR 0', 0x24, 4],
    ['VF BAR 1', 0x28, 4],
    ['VF BAR 2', 0x2c, 4],
    ['VF BAR 3', 0x30, 4],
    ['VF BAR 4', 0x34, 4],
    ['VF BAR 5', 0x38, 4],
  ] as const)('%s: zero for the guest, and not written', (_name, offset, size) => {
    const all = 2 ** (8 * size) - 1;
    expect(observeBits([virtualFunctions], settings, offset, size)).toEqual({ ...readOnlyBits(size), differs: all });
  });

  it('virtual functions cannot be switched on, in no access that meets the control word', () => {
    const guest = capabilityView([virtualFunctions], settings);
    const control = placeOf('extended') + 0x08;
    guest.write(control, 1, 0x19);
    guest.write(control, 2, 0x0019);
    guest.write(control, 4, 0x0000_0019);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(control, 2)).toBe(0);
    expect(guest.refused.map(({ mask }) => mask)).toEqual([0x19, 0x19, 0x19]);
  });

  it('permissive mode opens none of it', () => {
    const guest = capabilityView([virtualFunctions], { ...settings, prepare: (device) => (device.permissive = true) });
    for (const { offset, width } of virtualFunctions.registers) {
      guest.write(placeOf('extended') + offset, width / 8, 2 ** width - 1);
    }
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/sriov', api: '^1.0' });
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { advancedErrors } from '../../../plugins/fields/aer.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const AT = placeOf('extended');
const settings = { list: 'extended', id: 0x0001 } as const;
const sets = [advancedErrors];
const UNCORRECTABLE = 0x07ff_f030;
const CORRECTABLE = 0x0000_f1c1;

describe('aer', () => {
  it.each([
    ['uncorrectable status (vfio-pci: written under its mask)', 0x04, UNCORRECTABLE],
    ['correctable status (vfio-pci: written under its mask)', 0x10, CORRECTABLE],
  ] as const)('%s: latches go to hardware', (_name, offset, mask) => {
    const ignored = ~mask >>> 0;
    expect(observeBits(sets, settings, offset, 4)).toEqual({
      hardware: mask,
      own: 0,
      refused: 0,
      ignored,
      differs: 0,
    });
  });

  it('a one clears a latch, a zero does not', () => {
    const guest = capabilityView(sets, settings);
    for (let byte = 0; byte < 4; byte++) guest.hardware.clearedByOne[AT + 4 + byte] = 0xff;
    guest.hardware.put(AT + 4, 4, 0x0010_4000);
    guest.write(AT + 4, 4, 0x0010_0000);
    expect(guest.hardware.get(AT + 4, 4)).toBe(0x0000_4000);
  });

  it.each([
    ['uncorrectable mask', 0x08, UNCORRECTABLE],
    ['uncorrectable severity', 0x0c, UNCORRECTABLE],
    ['correctable mask', 0x14, CORRECTABLE],
  ] as const)('XSA-59: %s never reaches hardware, the guest has its own', (_name, offset, mask) => {
    const ignored = ~mask >>> 0;
    expect(observeBits(sets, settings, offset, 4)).toEqual({
      hardware: 0,
      own: mask,
      refused: 0,
      ignored,
      differs: 0,
    });
  });

  it('capabilities and control: ECRC is the guest’s own, the rest read-only', () => {
    const own = 0x0000_0140;
    expect(observeBits(sets, settings, 0x18, 4)).toEqual({
      hardware: 0,
      own,
      refused: ~own >>> 0,
      ignored: 0,
      differs: 0,
    });
  });

  it.each([0x1c, 0x20, 0x24, 0x28])('header log at 0x%i: read-only', (offset) => {
    expect(observeBits(sets, settings, offset, 4)).toEqual(readOnlyBits(4));
  });

  it('e1000e: what it writes at 0x104 and 0x110 is taken, with nothing refused', () => {
    const guest = capabilityView(sets, settings);
    for (const offset of [0x104, 0x110]) expect(guest.write(offset, 4, guest.read(offset, 4))).toBe(0);
    guest.write(0x104, 4, 0xffff_ffff);
    guest.write(0x110, 4, 0xffff_ffff);
    expect(guest.refused).toEqual([]);
  });

  it('permissive mode opens no mask', () => {
    const guest = capabilityView(sets, { ...settings, prepare: (device) => (device.permissive = true) });
    for (const offset of [0x08, 0x0c, 0x14, 0x18]) guest.write(AT + offset, 4, 0xffff_ffff);
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/aer', api: '^1.0' });
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { sata, sataWindow } from '../../../plugins/fields/sata.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';

const sets = [sata, sataWindow];
const AT = placeOf('standard');
/** Revision 1.0; index and data behind the location, or behind BAR 4. */
const here = {
  list: 'standard',
  id: 0x12,
  body: [
    [0x02, 2, 0x0010],
    [0x04, 4, 0x0f],
  ],
} as const;
const elsewhere = {
  list: 'standard',
  id: 0x12,
  body: [
    [0x02, 2, 0x0010],
    [0x04, 4, 0x48],
  ],
} as const;

describe('sata', () => {
  it('revision and location are read-only', () => {
    expect(observeBits(sets, { list: 'standard', id: 0x12 }, 0x02, 1)).toEqual(readOnlyBits(1));
    expect(observeBits([sata], { list: 'standard', id: 0x12 }, 0x04, 4)).toEqual(readOnlyBits(4));
  });

  it('the index goes to hardware, data shows what it chooses and is not written', () => {
    expect(observeBits(sets, here, 0x08, 4)).toMatchObject({ hardware: 0xffff_ffff, own: 0, refused: 0 });
    expect(observeBits(sets, here, 0x0c, 4)).toEqual(readOnlyBits(4));
    const guest = capabilityView(sets, { ...here, prepare: (device) => (device.permissive = true) });
    guest.write(AT + 8, 4, 0x0000_0028);
    guest.write(AT + 0x0c, 4, 0x0000_0301);
    expect(guest.hardware.writes).toEqual([[AT + 8, 4, 0x28]]);
  });

  it('behind a BAR there is no window in config space: what lies there is somebody else’s', () => {
    const guest = capabilityView(sets, elsewhere);
    expect(guest.table.claims.filter(({ owner }) => owner.includes('window'))).toEqual([]);
    guest.write(AT + 8, 4, 0x28);
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/sata', api: '^1.0' });
  });
});

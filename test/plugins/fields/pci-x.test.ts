// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import plugin, { pciX, pciXErrors } from '../../../plugins/fields/pci-x.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';
import type { ImagePart } from '../../kit/fake-function.ts';

const sets = [pciX, pciXErrors];
const AT = placeOf('standard');
const settings = { list: 'standard', id: 0x07 } as const;
/** An 82545EM: command 0x0008, status 0x04430108; version 0. */
const body: readonly ImagePart[] = [
  [0x02, 2, 0x0008],
  [0x04, 4, 0x0443_0108],
];
const VERSION_1 = 0x1000;
const view = (parts: readonly ImagePart[] = body) => capabilityView(sets, { ...settings, body: parts });

describe('pci-x', () => {
  it('command: recovery, ordering and the size and count of reads are the guest’s own (vfio-pci passes them)', () => {
    expect(observeBits(sets, settings, 0x02, 2)).toMatchObject({
      hardware: 0,
      own: 0x007f,
      refused: 0xff80,
      ignored: 0,
    });
  });

  it('e1000 lowers the bytes that a read asks for: it reads back what it wrote, hardware keeps the host’s', () => {
    const guest = view();
    expect(guest.read(AT + 2, 2)).toBe(0x0008);
    expect(guest.write(AT + 2, 2, 0x0004)).toBe(0);
    expect(guest.read(AT + 2, 2)).toBe(0x0004);
    expect(guest.hardware.get(AT + 2, 2)).toBe(0x0008);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused).toEqual([]);
  });

  it('status: what went wrong with a completion is cleared by a one, the rest is read-only', () => {
    expect(observeBits(sets, settings, 0x04, 4)).toEqual({
      hardware: 0x200c_0000,
      own: 0,
      refused: 0xdff3_ffff,
      ignored: 0,
      differs: 0,
    });
  });

  it('a zero leaves the latches of status', () => {
    const guest = view();
    guest.hardware.clearedByOne[AT + 6] = 0x0c;
    guest.hardware.put(AT + 4, 4, 0x044f_0108);
    guest.write(AT + 4, 4, 0x0447_0108);
    expect(guest.hardware.get(AT + 4, 4)).toBe(0x044b_0108);
  });

  it('counts of mended errors are there from version 1 on, and closed in permissive mode too', () => {
    expect(observeBits(sets, { ...settings, body: [[0x02, 2, VERSION_1]] }, 0x08, 4)).toEqual(readOnlyBits(4));
    const guest = capabilityView(sets, {
      ...settings,
      body: [[0x02, 2, VERSION_1]],
      prepare: (device) => (device.permissive = true),
    });
    for (const offset of [0x08, 0x0c, 0x10, 0x14]) guest.write(AT + offset, 4, 0xffff_ffff);
    expect(guest.hardware.writes).toEqual([]);
    // Version 0 ends before them: what lies there is somebody else's.
    const short = capabilityView(sets, { ...settings, body, prepare: (device) => (device.permissive = true) });
    short.write(AT + 8, 4, 0x1234_5678);
    expect(short.hardware.writes).toEqual([[AT + 8, 4, 0x1234_5678]]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/pci-x', api: '^1.0' });
  });
});

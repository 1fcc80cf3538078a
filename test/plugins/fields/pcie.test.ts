// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Outcome } from '../../../core/space/outcome.ts';
import plugin, { pcie, pcie2, pcieLink } from '../../../plugins/fields/pcie.ts';
import { capabilityView, observeBits, placeOf, readOnlyBits } from '../../kit/capability-view.ts';
import type { ImagePart } from '../../kit/fake-function.ts';
import type { GuestView } from '../../kit/guest-view.ts';

const sets = [pcie, pcieLink, pcie2];
const AT = placeOf('standard');
const CONTROL = AT + 0x08;
const RESET = 0x8000;

/** Version and type of the function, and what device capabilities say. */
const body = (flags: number, capabilities = 0x1000_8fc0): readonly ImagePart[] => [
  [0x02, 2, flags],
  [0x04, 4, capabilities],
  [0x08, 2, 0x2810],
];
const ENDPOINT_2 = 0x0002;
const settings = { list: 'standard', id: 0x10, body: body(ENDPOINT_2) } as const;
const view = (flags = ENDPOINT_2, capabilities?: number): GuestView =>
  capabilityView(sets, { ...settings, body: body(flags, capabilities) });

/** Placed registers that are not the capability list's, as "offset: policies". */
const placed = (guest: GuestView): number[] =>
  [...new Set(guest.table.claims.filter(({ owner }) => owner.startsWith('test')).map(({ dword }) => dword - AT))].sort(
    (first, second) => first - second,
  );

describe('pcie', () => {
  it('device control: the guest has a value of its own, hardware keeps the host’s (xen_pt: emu ffff, ro 8400)', () => {
    const bits = observeBits(sets, { ...settings, body: body(ENDPOINT_2, 0) }, 0x08, 2);
    expect(bits).toMatchObject({ hardware: 0, own: 0x79ff, refused: 0x8600, ignored: 0 });
  });

  it('device control begins with what hardware has', () => {
    expect(view().read(CONTROL, 2)).toBe(0x2810);
  });

  it('e1000e: error reporting is switched on in the guest’s view, with nothing refused', () => {
    const guest = view();
    expect(guest.write(CONTROL, 2, 0x281f)).toBe(0);
    expect(guest.read(CONTROL, 2)).toBe(0x281f);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused).toEqual([]);
  });

  it('a byte, and the dword with device status, change their own part only', () => {
    const guest = view();
    guest.write(CONTROL, 1, 0x1f);
    expect(guest.read(CONTROL, 2)).toBe(0x281f);
    guest.write(CONTROL + 1, 1, 0x50);
    expect(guest.read(CONTROL, 2)).toBe(0x501f);
    guest.hardware.put(CONTROL + 2, 2, 0x0009);
    guest.write(CONTROL, 4, 0x0001_2800);
    expect(guest.hardware.writes).toEqual([[CONTROL + 2, 1, 0x01]]);
    expect(guest.read(CONTROL, 2)).toBe(0x2800);
  });

  it('vfio-pci: a function-level reset is trapped and reads as zero', () => {
    const guest = view();
    guest.device.resetStatus = Outcome.later;
    expect(guest.write(CONTROL, 2, 0x2810 | RESET)).toBe(Outcome.later);
    expect(guest.device.calls).toEqual(['resetFunction']);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(CONTROL, 2)).toBe(0x2810);
  });

  it('a reset can be asked for by the upper byte, never by the lower one', () => {
    const guest = view();
    guest.write(CONTROL + 1, 1, 0xa8);
    expect(guest.device.calls).toEqual(['resetFunction']);
    guest.write(CONTROL, 1, 0x80);
    expect(guest.device.calls).toEqual(['resetFunction']);
  });

  it('a function without that reset is not reset, and the guest’s try is recorded', () => {
    const guest = view(ENDPOINT_2, 0);
    expect(guest.write(CONTROL, 2, 0x2810 | RESET)).toBe(0);
    expect(guest.device.calls).toEqual([]);
    expect(guest.refused).toMatchObject([{ mask: RESET, why: 'the function has no function-level reset' }]);
  });

  it('device status: latches are cleared by a one (xen_pt: rw1c 000f, ro 0030, res ffc0)', () => {
    const bits = observeBits(sets, settings, 0x0a, 2);
    expect(bits).toEqual({ hardware: 0x004f, own: 0, refused: 0x0030, ignored: 0xff80, differs: 0 });
  });

  it('a zero leaves the latches of device status', () => {
    const guest = view();
    guest.hardware.clearedByOne[AT + 0x0a] = 0x4f;
    guest.hardware.put(AT + 0x0a, 2, 0x000f);
    guest.write(AT + 0x0a, 2, 0x0002);
    expect(guest.hardware.get(AT + 0x0a, 2)).toBe(0x000d);
  });

  it.each([
    ['link control (xen_pt: emu ffff, ro fc34)', 0x10, 0x03cb],
    ['device control 2 (xen_pt: ro ffe0; ordering by id and latency messages beside)', 0x28, 0x071f],
    ['link control 2 (xen_pt: ro e040)', 0x30, 0x1fbf],
  ] as const)('%s: the guest’s own', (_name, offset, own) => {
    const bits = observeBits(sets, settings, offset, 2);
    expect(bits).toEqual({ hardware: 0, own, refused: 0xffff & ~own, ignored: 0, differs: 0 });
  });

  it.each([
    ['device capabilities', 0x04, 4],
    ['link capabilities', 0x0c, 4],
    ['link status (xen_pt: ro 3fff, rw1c of ports)', 0x12, 2],
    ['slot capabilities', 0x14, 4],
    ['slot control', 0x18, 2],
    ['slot status', 0x1a, 2],
    ['root control', 0x1c, 2],
    ['root capabilities', 0x1e, 2],
    ['root status', 0x20, 4],
    ['device status 2', 0x2a, 2],
    ['link capabilities 2', 0x2c, 4],
    ['link status 2', 0x32, 2],
    ['slot capabilities 2', 0x34, 4],
    ['slot control 2', 0x38, 2],
    ['slot status 2', 0x3a, 2],
  ] as const)('%s: read-only', (_name, offset, size) => {
    expect(observeBits(sets, settings, offset, size)).toEqual(readOnlyBits(size));
  });

  it.each([
    ['version 2', 0x0002, 0x38],
    ['version 2, endpoint of the root complex', 0x0092, 0x38],
    ['version 1', 0x0001, 0x10],
    ['version 1, endpoint of the root complex', 0x0091, 0x08],
    ['version 1, event collector of the root complex', 0x00a1, 0x08],
  ] as const)('%s (flags %i) has registers up to the dword at %i', (_name, flags, last) => {
    expect(placed(view(flags)).at(-1)).toBe(last);
  });

  it('permissive mode opens none of it, except device capabilities 2, which has no field', () => {
    const guest = capabilityView(sets, { ...settings, prepare: (device) => (device.permissive = true) });
    for (let offset = 0x04; offset < 0x3c; offset += 4) guest.write(AT + offset, 4, 0x7fff_7fff);
    expect(guest.hardware.writes).toEqual([
      [AT + 0x0a, 1, 0x4f],
      [AT + 0x24, 4, 0x7fff_7fff],
    ]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/pcie', api: '^1.0' });
  });
});

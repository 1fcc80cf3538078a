// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Errno, HostError } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import power, { powerManagement } from '../../../plugins/fields/power.ts';
import type { FakeDevice } from '../../kit/fake-function.ts';
import { type GuestView, guestView } from '../../kit/guest-view.ts';

const AT = 0x48;
const CAPABILITIES = AT + 2;
const CONTROL = AT + 4;

const view = (control = 0x2008, prepare: (device: FakeDevice) => void = () => {}): GuestView =>
  guestView(
    [powerManagement],
    {
      image: [
        [0x06, 2, 0x0010],
        [0x34, 1, AT],
        [AT, 4, 0xc823_5001],
        [CONTROL, 2, control],
        [AT + 6, 1, 0x40],
        [AT + 7, 1, 0x77],
      ],
      clearedByOne: [[CONTROL, 2, 0x8000]],
    },
    prepare,
  );

describe('power management', () => {
  it.each([
    ['list header', AT, 2, 0x5001],
    ['capabilities, without PME support', CAPABILITIES, 2, 0x0023],
    ['control/status', CONTROL, 2, 0x2008],
    ['bridge extensions', AT + 6, 1, 0x40],
    ['data', AT + 7, 1, 0x77],
  ] as const)('%s reads whole, in parts and in its dword', (_name, offset, size, value) => {
    const guest = view();
    expect(guest.read(offset, size)).toBe(value);
    for (let byte = 0; byte < size; byte++) expect(guest.read(offset + byte, 1)).toBe((value >>> (8 * byte)) & 0xff);
    const dword = guest.read(offset & ~3, 4);
    expect((dword >>> (8 * (offset & 3))) & (2 ** (8 * size) - 1)).toBe(value);
  });

  it.each([
    ['list header', AT, 2],
    ['capabilities', CAPABILITIES, 2],
    ['bridge extensions', AT + 6, 1],
    ['data', AT + 7, 1],
    ['list header and capabilities', AT, 4],
  ] as const)('%s takes no write', (_name, offset, size) => {
    const guest = view();
    expect(guest.write(offset, size, 0)).toBe(0);
    expect(guest.write(offset, 1, 0xff)).toBe(0);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.device.calls).toEqual([]);
    expect(guest.refused.length).toBe(2);
  });

  it('at attach, PME is switched off in hardware and its status stays', () => {
    expect(view(0x8108).hardware.get(CONTROL, 2)).toBe(0x8008);
    expect(view(0x0100).hardware.get(CONTROL, 2)).toBe(0x0000);
    expect(view(0x8008).hardware.get(CONTROL, 2)).toBe(0x8008);
  });

  it('the guest changes data select and nothing else', () => {
    const guest = view(0x6008);
    expect(guest.write(CONTROL, 2, 0x7fff & ~3)).toBe(0);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x7e08);
    expect(guest.refused.map(({ mask }) => mask)).toEqual([0x01f4]);
    expect(guest.write(CONTROL, 2, 0x0000)).toBe(0);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x6008);
  });

  it('a byte of it changes only its own half', () => {
    const guest = view(0x2008);
    guest.write(CONTROL + 1, 1, 0x0a);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x2a08);
    expect(guest.device.calls).toEqual([]);
    guest.write(CONTROL, 1, 0x03);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x2a08);
    expect(guest.device.calls).toEqual(['setPowerState 3']);
  });

  it('a dword write reaches control/status and leaves its neighbours', () => {
    const guest = view(0x2008);
    expect(guest.write(CONTROL, 4, 0xffff_0400)).toBe(0);
    expect(guest.hardware.get(CONTROL, 4)).toBe(0x7740_2408);
    expect(guest.device.calls).toEqual(['setPowerState 0']);
  });

  it('D-C4: a one clears PME_Status, a zero does not', () => {
    const guest = view(0x8008);
    guest.write(CONTROL, 2, 0x0008);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x8008);
    guest.write(CONTROL, 2, 0x8008);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x0008);
  });

  it.each([0, 1, 2, 3])('state %i is asked of the host', (state) => {
    const guest = view();
    expect(guest.write(CONTROL, 2, 0x2008 | state)).toBe(Status.success);
    expect(guest.device.calls).toEqual([`setPowerState ${state}`]);
    expect(guest.refused).toEqual([]);
  });

  it('the guest waits while the host waits', () => {
    const guest = view(undefined, (device) => {
      device.powerStatus = Outcome.later;
    });
    expect(guest.write(CONTROL, 2, 0x200b)).toBe(Outcome.later);
    expect(guest.refused).toEqual([]);
  });

  it.each([Status.accessDenied, Status.opFailed])('a transition that ends with %i is access_denied', (status) => {
    const guest = view(undefined, (device) => {
      device.powerStatus = status;
    });
    expect(guest.write(CONTROL, 2, 0x2409)).toBe(Status.accessDenied);
    expect(guest.refused.map(({ mask }) => mask)).toEqual([0x0003]);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x2408);
  });

  it('D-C16: a read that fails gives the error and 0', () => {
    const guest = view();
    guest.hardware.beforeAccess = () => {
      throw new HostError('read', Errno.EIO);
    };
    expect(guest.space.read(CONTROL, 2)).toBe(Status.opFailed);
    expect(guest.space.value).toBe(0);
  });

  it('a device without the capability has no such field', () => {
    const guest = guestView([powerManagement], { image: [[0x34, 1, AT]] });
    expect(guest.table.claims).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(power).toMatchObject({ kind: 'plugin', name: 'fields/power', api: '^1.0' });
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Status } from '../../../core/ring/layout.ts';
import plugin, { msi } from '../../../plugins/fields/msi.ts';
import { strict } from '../../../plugins/interrupts/strict.ts';
import type { FakeDevice } from '../../kit/fake-function.ts';
import { type GuestView, guestView } from '../../kit/guest-view.ts';

const AT = 0x50;
const CONTROL = AT + 2;
const NOW = 0x0080;
const ENABLE = 0x0001;

const view = (prepare: (device: FakeDevice) => void = () => {}): GuestView =>
  guestView(
    [msi],
    {
      image: [
        [0x06, 2, 0x0010],
        [0x34, 1, AT],
        [AT, 2, 0x0005],
        [CONTROL, 2, NOW],
        [AT + 4, 4, 0xfee0_1004],
        [AT + 8, 4, 0x0000_4142],
      ],
    },
    prepare,
  );

const under = (allowed: boolean) => (device: FakeDevice) => {
  device.interruptType = 'intx';
  device.controlWordAnswer = (kind, old, next) =>
    strict.allowsControlWord({ kind, current: device.interruptType, old, next, allowed });
};

describe('msi', () => {
  it('the control word reads as hardware has it, whole, in parts and with its list header', () => {
    const guest = view();
    expect(guest.read(CONTROL, 2)).toBe(NOW);
    expect(guest.read(CONTROL, 1)).toBe(NOW & 0xff);
    expect(guest.read(CONTROL + 1, 1)).toBe(NOW >>> 8);
    expect(guest.read(AT, 4)).toBe(((NOW << 16) | 0x0005) >>> 0);
  });

  it('the same value again is a success and no write', () => {
    const guest = view();
    expect(guest.write(CONTROL, 2, NOW)).toBe(Status.success);
    expect(guest.write(CONTROL, 1, NOW & 0xff)).toBe(Status.success);
    expect(guest.device.calls).toEqual([]);
    expect(guest.hardware.writes).toEqual([]);
  });

  it('a change that the policy refuses is access_denied', () => {
    const guest = view(under(false));
    expect(guest.write(CONTROL, 2, NOW | ENABLE)).toBe(Status.accessDenied);
    expect(guest.write(AT, 4, ((NOW | ENABLE) << 16) >>> 0)).toBe(Status.accessDenied);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.refused[0]).toMatchObject({ offset: CONTROL, size: 2, mask: ENABLE });
    expect(guest.refused.at(-1)).toMatchObject({ offset: AT, size: 4, mask: (ENABLE << 16) >>> 0 });
  });

  it('a change that the policy allows goes to hardware, also as a byte', () => {
    const guest = view(under(true));
    expect(guest.write(CONTROL, 2, NOW | ENABLE)).toBe(Status.success);
    expect(guest.hardware.writes).toEqual([[CONTROL, 2, NOW | ENABLE]]);
    guest.device.interruptType = 'msi';
    const at = ENABLE > 0xff ? 1 : 0;
    expect(guest.write(CONTROL + at, 1, (NOW >>> (8 * at)) & 0xff)).toBe(Status.success);
    expect(guest.hardware.get(CONTROL, 2)).toBe(NOW);
    expect(guest.device.calls).toEqual([
      `allowsControlWord msi ${NOW.toString(16)} ${(NOW | ENABLE).toString(16)}`,
      `allowsControlWord msi ${(NOW | ENABLE).toString(16)} ${NOW.toString(16)}`,
    ]);
  });

  it('permissive: the policy is not asked', () => {
    const guest = view((device) => {
      device.permissive = true;
    });
    expect(guest.write(CONTROL, 2, 0xffff)).toBe(Status.success);
    expect(guest.hardware.writes).toEqual([[CONTROL, 2, 0xffff]]);
    expect(guest.device.calls).toEqual([]);
  });

  it('the list header and the other registers take no write', () => {
    const guest = view(under(true));
    for (const offset of [AT, AT + 4, AT + 6, AT + 8, AT + 10]) expect(guest.write(offset, 2, 0)).toBe(0);
    for (const offset of [AT + 4, AT + 8]) expect(guest.write(offset, 4, 0)).toBe(0);
    expect(guest.hardware.writes).toEqual([]);
  });

  it('the plugin is a plugin', () => {
    expect(plugin).toMatchObject({ kind: 'plugin', name: 'fields/msi', api: '^1.0' });
  });
});

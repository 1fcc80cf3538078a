// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import plugin, { pcie, pcie2, pcieLink } from '../../../plugins/fields/pcie.ts';
import { explainIssue } from '../../../plugins/schema-issue.ts';
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

describe('what an operator lets a guest choose in hardware', () => {
  /** Sets with these options; the fake function is an 8086:10d3. */
  const setsOf = async (options: unknown) => {
    const host = new PluginHost({ log: silent, explain: explainIssue });
    await host.load(plugin, options, 'test');
    return host.registries.fields.things;
  };
  const mine = ['8086:10d3'];
  /** Payload 256 bytes, read request 512. */
  const NOW = 0x2830;
  const viewOfOptions = async (options: unknown, permissive = false): Promise<GuestView> =>
    capabilityView(await setsOf(options), {
      ...settings,
      body: [...body(ENDPOINT_2), [0x08, 2, NOW]],
      prepare: (device) => (device.permissive = permissive),
    });

  it('without options there is one form, with none of it', async () => {
    expect((await setsOf(undefined)).map(({ name }) => name)).toEqual(['pcie', 'pcie link', 'pcie 2']);
    expect((await setsOf({ readRequest: [] })).map(({ name }) => name)).toEqual(['pcie', 'pcie link', 'pcie 2']);
  });

  it.each([
    [{}, 0, 0x79ff],
    [{ relaxedOrdering: mine }, 0x0010, 0x79ef],
    [{ relaxedOrdering: ['8086:*'], readRequest: ['1af4:*'] }, 0x0010, 0x79ef],
    [{ relaxedOrdering: ['04:00.0'] }, 0, 0x79ff],
    [{ readRequest: mine }, 0x7000, 0x09ff],
    [{ relaxedOrdering: mine, readRequest: mine }, 0x7010, 0x09ef],
  ])('%j: what reaches hardware, and what is the guest’s own', async (options, hardware, own) => {
    const all = await setsOf(options);
    const bits = observeBits(all, { ...settings, body: body(ENDPOINT_2, 0) }, 0x08, 2);
    // Read-request sizes from 4096 bytes on cannot be had by one bit.
    expect(bits.hardware & ~0x7000).toBe(hardware & ~0x7000);
    expect((bits.hardware & 0x7000) !== 0).toBe((hardware & 0x7000) !== 0);
    expect(bits.own).toBe(own);
  });

  it('relaxed ordering goes to hardware, its byte otherwise as hardware had it', async () => {
    const guest = await viewOfOptions({ relaxedOrdering: mine });
    expect(guest.write(CONTROL, 2, 0x282f)).toBe(0);
    expect(guest.hardware.writes).toEqual([[CONTROL, 1, 0x20]]);
    expect(guest.read(CONTROL, 2)).toBe(0x282f);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x2820);
  });

  it.each([
    [1, 0x1830],
    [3, 0x3830],
    [5, 0x5830],
  ])('read requests of 128 << %i bytes go to hardware', async (size, inHardware) => {
    const guest = await viewOfOptions({ readRequest: mine });
    expect(guest.write(CONTROL, 2, (size << 12) | 0x0830)).toBe(0);
    expect(guest.hardware.get(CONTROL, 2)).toBe(inHardware);
    expect(guest.read(CONTROL, 2)).toBe(inHardware);
    expect(guest.refused).toEqual([]);
  });

  it.each([
    [0, 'a read request is at least the payload size'],
    [6, 'there is no such read-request size'],
    [7, 'there is no such read-request size'],
  ])('read requests of size %i are refused', async (size, why) => {
    const guest = await viewOfOptions({ readRequest: mine }, true);
    guest.write(CONTROL, 2, (size << 12) | 0x0830);
    expect(guest.hardware.writes).toEqual([]);
    expect(guest.read(CONTROL, 2)).toBe(NOW);
    expect(guest.refused).toMatchObject([{ mask: 0x7000, why }]);
  });

  it('a reset is still the hook’s, asked for by its bit and no other', async () => {
    const guest = await viewOfOptions({ readRequest: mine });
    guest.write(CONTROL, 2, 0x3830);
    expect(guest.device.calls).toEqual([]);
    guest.write(CONTROL + 1, 1, 0xb8);
    expect(guest.device.calls).toEqual(['resetFunction']);
    expect(guest.hardware.get(CONTROL, 2)).toBe(0x3830);
    expect(guest.read(CONTROL, 2) & RESET).toBe(0);
  });

  it.each([
    [{ readRequest: ['8086:*', '03:00'] }, /readRequest\[1\]/],
    [{ readRequest: '8086:10d3' }, /readRequest/],
    [{ relaxed: [] }, /relaxed/],
  ])('%j is refused', async (options, says) => {
    await expect(setsOf(options)).rejects.toMatchObject({
      code: 'PLUGIN_OPTIONS',
      message: expect.stringMatching(says),
    });
  });
});

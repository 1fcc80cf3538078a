// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command, Status, Verdict } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import type { AerHandler, IncludedGuest } from '../../../plugins/platforms/embedded/index.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { laneByHand } from '../../kit/lane-by-hand.ts';

/** Without a port above it, and able to reset itself. */
const disk = bdf(0, 3, 0);
const COMMAND = 0x04;
const ON = 0x0003;
const MASTER = 0x0004;
/** Device control in the PCI Express capability. */
const DEVICE_CONTROL = 0x08;
const INITIATE_RESET = 0x8000;

let host: EmbeddedHost;
afterEach(() => host.close());

const start = async (aer?: AerHandler) => {
  const lane = laneByHand();
  /** Whether the lane had the device while that was reset. */
  const seen: boolean[] = [];
  const resets = definePlugin({
    name: 'test/resets',
    api: '^1.0',
    apply: ({ hooks }) =>
      hooks.resetDevice.tap(async () => {
        seen.push(lane.seesDevice);
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(lane.seesDevice);
        return { ok: true, method: 'by hand' };
      }),
  });
  const devices = [{ ...sample('nvme'), bdf: disk }];
  const config = { shutdownSeconds: 0 };
  host = await startEmbeddedHost({ devices, between: lane.between, plugins: [resets], config });
  const guest = await host.guest([disk], aer === undefined ? {} : { aer });
  await guest.reached(4);
  seen.length = 0;
  return { lane, guest, seen };
};

const write = async (guest: IncludedGuest, offset: number, value: number): Promise<number> =>
  (await guest.request({ cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset, size: 2, value })).err;
const command = () => host.platform.pci.model(disk).peek(COMMAND, 2);

describe('a device whose registers came back after an error', () => {
  it('shows that it masters the bus no more, and does again when its guest says so', async () => {
    const { lane, guest } = await start();
    expect(await write(guest, COMMAND, ON | MASTER)).toBe(Status.success);
    const [, before] = lane.read(COMMAND, 2);
    expect(before & MASTER).toBe(MASTER);
    expect((await host.platform.errors.inject(disk, 'fatal')).outcome).toBe('recovered');
    expect(command() & MASTER).toBe(0);
    expect(lane.read(COMMAND, 2)).toEqual([Status.success, before & ~MASTER]);
    expect(lane.write(COMMAND, 2, before)).toBe(Outcome.needsCode);
    expect(await write(guest, COMMAND, before)).toBe(Status.success);
    expect(command() & MASTER).toBe(MASTER);
    expect(lane.read(COMMAND, 2)).toEqual([Status.success, before]);
  });
});

describe('no other thread reaches a device that is reset', () => {
  it('after an error', async () => {
    const { lane, guest, seen } = await start(({ cmd }) => (cmd === 6 ? Verdict.needReset : Verdict.recovered));
    await write(guest, COMMAND, ON);
    // What the lane has left is done before.
    lane.write(COMMAND, 2, 0);
    expect((await host.platform.errors.inject(disk, 'nonfatal')).outcome).toBe('recovered');
    expect(seen).toEqual([false, false]);
    expect(lane.seesDevice).toBe(true);
    expect(host.pciback.stub.devices[0]?.operations.enabled).toBe(false);
  });

  it('for its guest', async () => {
    const { lane, guest, seen } = await start();
    const express = host.platform.pci.model(disk).capability(0x10) ?? 0;
    expect(await write(guest, express + DEVICE_CONTROL, INITIATE_RESET)).toBe(Status.success);
    expect(seen).toEqual([false, false]);
    expect(lane.seesDevice).toBe(true);
  });

  it('and a quirk that comes meanwhile is in force when it is over', async () => {
    const { guest } = await start();
    const assignment = host.pciback.stub.devices[0]?.assignment;
    await write(guest, COMMAND, ON);
    let waited = false;
    await assignment?.whileReset(async () => {
      expect(assignment.isBusy).toBe(true);
      assignment.whenSettled(() => {
        waited = true;
      });
    });
    expect([waited, assignment?.isBusy]).toEqual([true, false]);
  });
});

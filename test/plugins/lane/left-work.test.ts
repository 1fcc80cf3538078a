// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { type Bdf, bdf } from '../../../core/bdf.ts';
import { Errno } from '../../../core/platform/index.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import { Seat } from '../../../plugins/lane/seat.ts';
import { LaneWord } from '../../../plugins/lane/thread-protocol.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/index.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { defineQuirk, register } from '../../../quirks/index.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { laneByHand } from '../../kit/lane-by-hand.ts';
import { until } from '../../kit/until.ts';

const nic = bdf(0, 1, 0);
const COMMAND = 0x04;
const ON = 0x0003;

let host: EmbeddedHost;
afterEach(() => host.close());

const start = async () => {
  const lane = laneByHand();
  const devices = [sample('root-port'), { ...sample('e1000e'), bdf: nic }];
  host = await startEmbeddedHost({ devices, between: lane.between, config: { shutdownSeconds: 0 } });
  const guest = await host.guest([nic], { driver: 'none' });
  await guest.reached(4);
  return { lane, guest };
};

const write = async (guest: IncludedGuest, offset: number, value: number): Promise<number> =>
  (await guest.request({ cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset, size: 2, value })).err;

const model = () => host.platform.pci.model(nic);
const stateOf = (address: Bdf) => host.pciback.stub.devices.find((one) => one.bdf === address);

describe('a gate of a device that is gone', () => {
  const closeWhileGone = async () => {
    const { lane, guest } = await start();
    expect(await write(guest, COMMAND, ON)).toBe(Status.success);
    expect(lane.write(COMMAND, 2, 0)).toBe(Status.success);
    return { lane, guest };
  };

  it('is left open and reported; the service goes on', async () => {
    const { lane } = await closeWhileGone();
    model().failNext('read', Errno.ENODEV);
    lane.sleep();
    expect(host.lines.map((line) => line.message)).toContain('config access failed');
    expect(stateOf(nic)?.operations.enabled).toBe(true);
    // It answers again: the next switching off counts.
    expect(lane.write(COMMAND, 2, ON)).toBe(Status.success);
    expect(lane.write(COMMAND, 2, 0)).toBe(Status.success);
    lane.sleep();
    expect(stateOf(nic)?.operations.enabled).toBe(false);
  });

  it('keeps nothing of its guest when that goes', async () => {
    const { guest } = await closeWhileGone();
    model().failNext('read', Errno.ENODEV, 1000);
    await host.platform.xenstore.remove(`/local/domain/0/backend/pci/${guest.domain}`);
    await until('it is gone', () => host.pciback.guests().length === 0);
    expect(host.platform.hypervisor.ledger()).toMatchObject({ mapped: [], bound: [] });
    expect(stateOf(nic)?.assignment).toBeUndefined();
  });
});

describe('what was left under one table', () => {
  const left = async () => {
    const { lane, guest } = await start();
    await write(guest, COMMAND, ON);
    expect(lane.write(COMMAND, 2, 0)).toBe(Status.success);
    // The revision, which nobody may write.
    expect(lane.write(0x08, 4, 0x12345678)).toBe(Status.success);
    return lane;
  };

  it('is done before the next one is in force', async () => {
    const lane = await left();
    expect(stateOf(nic)?.operations.enabled).toBe(true);
    const quirk = defineQuirk({
      name: 'acme/class',
      source: 'a test',
      match: [{ vendor: 0x8086, device: 0x10d3 }],
      fields: [register(0x08, 32, 'class').readOnly()],
    });
    await host.plugins.load(quirk, undefined, 'test');
    expect(stateOf(nic)?.operations.enabled).toBe(false);
    const [denial] = host.pciback.guests()[0]?.denials ?? [];
    expect(denial).toMatchObject({ offset: 0x08, value: 0x12345678, owner: 'policy: drop' });
    // The new owner answers for what is refused from now on.
    lane.write(0x08, 4, 1);
    expect(host.pciback.guests()[0]?.denials.at(-1)).toMatchObject({ value: 1, why: 'read-only' });
  });

  it('does not come back with a table of the same kind', async () => {
    const lane = await left();
    const open = definePlugin({
      name: 'test/open',
      api: '^1.0',
      apply: ({ hooks }) => hooks.unhandledWrite.tap(() => 'permissive'),
    });
    await host.plugins.load(open, undefined, 'test');
    expect(stateOf(nic)?.operations.enabled).toBe(false);
    model().poke(COMMAND, 2, 0x0007);
    host.plugins.unload('test/open');
    lane.sleep();
    expect(model().peek(COMMAND, 2)).toBe(0x0007);
  });
});

it('refusals of a device are recorded although it is taken from its guest', async () => {
  const { lane, guest } = await start();
  lane.write(0x08, 4, 0x12345678);
  await host.platform.toolstack.detach(guest.domain, nic);
  expect(stateOf(nic)?.assignment).toBeUndefined();
  expect(host.pciback.guests()[0]?.denials).toMatchObject([{ offset: 0x08, value: 0x12345678, owner: 'policy: drop' }]);
  expect(lane.seesDevice).toBe(false);
});

it('a seat is left and its channel closed whatever goes wrong with what the lane has left', () => {
  const trace: string[] = [];
  const channel = { port: 1, notify: () => undefined, unmask: () => undefined, close: () => trace.push('closed') };
  const seat = new Seat({
    channel,
    lane: new Int32Array(LaneWord.words),
    send: ({ what }) => trace.push(what),
    ring: () => undefined,
    left: () => trace.push('left'),
    leftWork: () => {
      throw new Error('a defect');
    },
  });
  expect(() => seat.close()).toThrow('a defect');
  expect(trace).toEqual(['leave', 'left', 'closed']);
});

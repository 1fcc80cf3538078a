// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { Errno } from '../../../core/platform/index.ts';
import { Status } from '../../../core/ring/layout.ts';
import { Outcome } from '../../../core/space/outcome.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { laneByHand } from '../../kit/lane-by-hand.ts';
import { type Access, bothDo, type Side, shared, side } from './shared-device.ts';

const COMMAND = 0x04;
const MASTER = 0x0004;

const write = (value: number, size: 1 | 2 | 4 = 2): Access => ({ write: true, offset: COMMAND, size, value });
const read: Access = { write: false, offset: COMMAND, size: 2, value: 0 };

describe('bus mastering', () => {
  it('is switched by the lane while the device is on, nothing beside it', () => {
    const { two } = bothDo([write(0x103), write(0x107), write(0x103), write(0x147), write(0x107, 4), write(0x03, 1)]);
    // The first has to switch the device on.
    expect(two.handed).toBe(1);
    expect(two.device.calls).toEqual(['enable']);
    expect(two.hardware.get(COMMAND, 2)).toBe(0x103);
  });

  it('shows what hardware has: a device may not obey', () => {
    const stubborn = ({ hardware }: Side): void => {
      const { put, writeConfig } = hardware;
      const without = (offset: number, value: number) => (offset === COMMAND ? value & ~MASTER : value);
      hardware.put = (offset, size, value) => put.call(hardware, offset, size, without(offset, value));
      hardware.writeConfig = (offset, size, value) => writeConfig.call(hardware, offset, size, without(offset, value));
    };
    const { two } = bothDo([stubborn, write(0x103), write(0x107), write(0x107), write(0x103), write(0x107)]);
    expect(two.does(read)[1] & MASTER).toBe(0);
    expect(two.handed).toBe(1);
  });

  it('is not written when hardware has it already; other bits show what they are there by then', () => {
    // INVALIDATE and FAST_BACK, which the guest sees, and PARITY, of which it has its own.
    const changed = ({ hardware }: Side): void => hardware.put(COMMAND, 2, 0x0357);
    const { two } = bothDo([write(0x103), changed, write(0x107)]);
    expect([two.handed, two.does(read)[1], two.hardware.writes]).toEqual([1, 0x0317, []]);
  });

  it.each([
    ['the device is off', [0x104, 0x100]],
    ['it is switched off by the same write', [0x103, 0x104]],
    ['it waits to be switched off', [0x103, 0x100, 0x104]],
    ['it is switched off while it masters the bus', [0x107, 0x100, 0x104, 0x103]],
    ['other bits go to hardware with it', [0x103, 0x117, 0x103]],
  ])('is left to the control thread where %s', (_, values) => {
    const { two } = bothDo(values.map((value) => write(value)));
    expect(two.handed).toBeGreaterThan(values.length - 2);
  });

  it('is left to the control thread where the lane has no file of the device', () => {
    const two = shared(side(), { file: -1 });
    for (const value of [0x103, 0x143, 0x107, 0x103]) two.does(write(value));
    expect(two.handed).toBe(3);
    expect(two.device.calls).toEqual(['enable', 'setBusMaster on', 'setBusMaster off']);
  });

  it('comes on with a device that is switched on again before anybody has switched it off', () => {
    const { two } = bothDo([write(0x103), write(0x100), write(0x107)]);
    expect(two.handed).toBe(1);
    expect(two.device.enabled).toBe(true);
  });

  it('is not changed by a write that is refused for want of room', () => {
    const two = shared();
    two.does(write(0x103));
    for (let bits = 1; bits <= 64; bits++) {
      two.does({ write: true, offset: 0x08, size: 4, value: 0x02000000 ^ bits });
    }
    const before = two.handed;
    // The status half has bits that nobody may write.
    two.does(write(0x00200107, 4));
    expect([two.handed - before, two.hardware.get(COMMAND, 2) & MASTER]).toEqual([1, MASTER]);
    expect(two.device.calls).toContain('setBusMaster on');
  });
});

describe('on a host', () => {
  const nic = bdf(0, 1, 0);
  let host: EmbeddedHost;
  afterEach(() => host.close());

  const model = () => host.platform.pci.model(nic);
  const seized = () => {
    const found = host.pciback.stub.devices.find((one) => one.bdf === nic);
    if (found === undefined) throw new Error('not seized');
    return found;
  };
  const start = async () => {
    const lane = laneByHand({
      read: (_file, offset, size) => seized().operations.hardware.readConfig(offset, size),
      write: (_file, offset, size, value) => seized().operations.hardware.writeConfig(offset, size, value),
    });
    const devices = [sample('root-port'), { ...sample('e1000e'), bdf: nic }];
    host = await startEmbeddedHost({ devices, between: lane.between, config: { shutdownSeconds: 0 } });
    const guest = await host.guest([nic], { driver: 'none' });
    await guest.reached(4);
    const slow = async (value: number): Promise<number> => {
      const request = { cmd: 1, domain: 0, bus: 0, devfn: 0, offset: COMMAND, size: 2 };
      return (await guest.request({ ...request, value })).err;
    };
    expect(await slow(0x0103)).toBe(Status.success);
    return { lane, slow };
  };

  it('the control thread knows what the lane has switched', async () => {
    const { lane } = await start();
    expect(lane.write(COMMAND, 2, 0x0107)).toBe(Status.success);
    expect(lane.read(COMMAND, 2)).toEqual([Status.success, 0x0107]);
    expect(seized().operations.busMaster).toBe(true);
    expect(model().peek(COMMAND, 2) & MASTER).toBe(MASTER);
    expect(lane.write(COMMAND, 2, 0x0103)).toBe(Status.success);
    expect(seized().operations.busMaster).toBe(false);
  });

  it.each(['read', 'write'] as const)('a %s that the host refuses is met again by the control thread', async (what) => {
    const { lane, slow } = await start();
    // With PARITY, which is the guest's own: it changes together with the rest, or not at all.
    model().failNext(what, Errno.EIO);
    expect(lane.write(COMMAND, 2, 0x0147)).toBe(Outcome.needsCode);
    expect(lane.read(COMMAND, 2)).toEqual([Status.success, 0x0103]);
    expect(seized().operations.busMaster).toBe(false);
    model().failNext(what, Errno.EIO);
    expect(await slow(0x0147)).toBe(Status.opFailed);
    expect(lane.read(COMMAND, 2)).toEqual([Status.success, 0x0103]);
    expect(await slow(0x0147)).toBe(Status.success);
    expect(lane.read(COMMAND, 2)).toEqual([Status.success, 0x0147]);
  });

  it('a device that is cut off from its guest masters no bus any more, and the lane does not change that', async () => {
    const { lane } = await start();
    expect(lane.write(COMMAND, 2, 0x0107)).toBe(Status.success);
    seized().assignment?.fence('no answer');
    expect(seized().operations.busMaster).toBe(false);
    expect(lane.write(COMMAND, 2, 0x0107)).toBe(Outcome.needsCode);
    expect(seized().operations.busMaster).toBe(false);
  });
});

// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Command, Status } from '../../../core/ring/layout.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { createRestartableHost, type RestartableHost } from '../../kit/restartable-host.ts';

const nic = sample('e1000e').bdf;
let host: RestartableHost;
beforeEach(async () => {
  host = createRestartableHost([sample('root-port'), sample('e1000e')]);
  await host.start();
});
afterEach(() => host.close());

/** Kills the process before its n-th call, or after it. @returns whether there was one */
const killedAt = async (place: number, work: () => Promise<unknown>): Promise<boolean> => {
  let count = 0;
  let isKilled = false;
  const killed = new Promise<void>((resolve) => {
    host.called = (call) => {
      // Reads change nothing.
      if (call === 'function.readConfig' || count++ !== place) return;
      isKilled = true;
      resolve(host.killInside());
    };
  });
  await Promise.race([killed, work()]);
  host.called = () => undefined;
  if (isKilled) await killed;
  return isKilled;
};

/** A guest gets the device with messages, and it goes back to the host. */
const works = async (): Promise<void> => {
  const guest = await host.guest([nic], { driver: 'none' });
  await guest.reached(4);
  await guest.request({ cmd: Command.confWrite, offset: 0x04, size: 2, value: 0x7 });
  const answer = await guest.request({ cmd: Command.enableMsix, value: 1, entries: [0] });
  expect(answer.err).toBe(Status.success);
  await host.xen.toolstack.destroy(guest.domain);
  await host.running.engine.stub.release(nic);
  expect(host.xen.hypervisor.ledger()).toMatchObject({ pirqs: [], assigned: [], prepared: [] });
};

describe('a kill at any moment', { timeout: 120_000 }, () => {
  it('of seizing leaves a device that can be had', async () => {
    let kills = 0;
    for (let place = 0; await killedAt(place, () => host.running.engine.stub.seize(nic)); place++) {
      kills++;
      await host.start();
      await works();
    }
    expect(kills).toBeGreaterThan(10);
    await host.running.engine.stub.release(nic);
    expect(host.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('of releasing leaves one that can be had', async () => {
    let kills = 0;
    const release = async (): Promise<void> => host.running.engine.stub.release(nic);
    await host.running.engine.stub.seize(nic);
    for (let place = 0; await killedAt(place, release); place++) {
      kills++;
      await host.start();
      await works();
      await host.running.engine.stub.seize(nic);
    }
    expect(kills).toBeGreaterThan(10);
    expect(host.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

// SPDX-License-Identifier: MIT

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command, Status } from '../../../core/ring/layout.ts';
import type { IncludedGuest } from '../../../plugins/platforms/embedded/guest.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { createRestartableHost, type RestartableHost } from '../../kit/restartable-host.ts';

const nic = sample('e1000e').bdf;
let host: RestartableHost;
let guest: IncludedGuest;

beforeEach(async () => {
  host = createRestartableHost([sample('root-port'), sample('e1000e')]);
  await host.start();
  guest = await host.guest([nic]);
  await guest.reached(4);
});
afterEach(() => host.close());

const read = (offset: number, size = 4) => guest.request({ cmd: Command.confRead, offset, size });
const write = (offset: number, value: number, size = 4) =>
  guest.request({ cmd: Command.confWrite, offset, size, value });
const hardware = () => Buffer.from(host.xen.pci.model(nic).snapshot()).toString('hex');
const held = () => {
  const { pirqs, assigned, prepared } = host.xen.hypervisor.ledger();
  return { pirqs, assigned, prepared };
};

describe('a pciback that was killed and started again', () => {
  it('goes on with its guest, which sees nothing of it', async () => {
    await write(0x10, 0xffffffff);
    const before = { hardware: hardware(), held: held(), resets: host.xen.pci.model(nic).counters.resets };
    const writes = host.xen.pci.model(nic).counters.writes;
    const nodes = host.xen.store.dump();
    await host.restart();
    expect({ hardware: hardware(), held: held(), resets: host.xen.pci.model(nic).counters.resets }).toEqual(before);
    expect(host.xen.pci.model(nic).counters.writes).toBe(writes);
    expect(host.xen.store.dump()).toEqual(nodes);
    expect(await read(0x10)).toMatchObject({ err: Status.success, value: 0xfffe0000 });
    expect(host.running.engine.ledger()).toMatchObject({ mapped: 1, bound: 1, assigned: 1 });
    expect(host.running.engine.ledger().pirqs).toBe(held().pirqs.filter(({ kind }) => kind !== 'line').length);
    expect(host.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });

  it('answers a request that was sent while nobody was there', async () => {
    host.kill();
    const asked = read(0x00);
    await host.start();
    expect(await asked).toMatchObject({ err: Status.success, value: 0x10d38086, timedOut: false });
  });

  it('tells plugins of the guest that goes on, and of nothing that happened to it before', async () => {
    const told: string[] = [];
    const listener = definePlugin({
      name: 'acme/listener',
      api: '^1.0',
      apply: ({ hooks }) => {
        hooks.deviceSeized.tap(async () => void told.push('seized'));
        hooks.deviceAssigned.tap(async () => void told.push('assigned'));
        hooks.guestConnected.tap(() => void told.push('connected'));
        hooks.guestResumed.tap(({ domain }, devices) => {
          told.push(`${domain} resumed with ${devices.map(({ bdf }) => formatBdf(bdf)).join()}`);
        });
        hooks.guestDisconnected.tap(() => void told.push('disconnected'));
        hooks.deviceReturned.tap(async () => void told.push('returned'));
      },
    });
    await host.restart({ plugins: [listener] });
    const resumed = `${guest.domain} resumed with ${formatBdf(nic)}`;
    expect(told).toEqual([resumed]);
    await host.xen.toolstack.destroy(guest.domain);
    expect(told).toEqual([resumed, 'disconnected', 'returned']);
  });

  it('gives everything back in order afterwards', async () => {
    await host.restart();
    await host.xen.toolstack.destroy(guest.domain);
    expect(host.running.engine.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    const again = await host.guest([nic]);
    await again.reached(4);
  });
});

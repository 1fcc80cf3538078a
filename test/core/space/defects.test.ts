// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf, parseBdf } from '../../../core/bdf.ts';
import { defineQuirk } from '../../../core/quirk/quirk.ts';
import { compileSpace } from '../../../core/space/compile.ts';
import { ConfigSpace } from '../../../core/space/config-space.ts';
import { type FieldSet, header, register } from '../../../core/space/declaration.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { FakeDevice, FakeFunction } from '../../kit/fake-function.ts';
import { silentWall } from '../../kit/silent-wall.ts';

const connected = 4;
const UNCLAIMED = 0x40;

let host: EmbeddedHost | undefined;
const start = async (options?: EmbeddedHostOptions): Promise<EmbeddedHost> => {
  host = await startEmbeddedHost(options);
  return host;
};
afterEach(async () => {
  await host?.close();
  host = undefined;
});

const nicOf = async ({ platform }: EmbeddedHost): Promise<Bdf> => {
  const nic = (await platform.pci.list()).find((one) => one.device === 0x10d3);
  if (nic === undefined) throw new Error('the samples have no 82574L');
  return nic.bdf;
};

const released = async ({ lines }: EmbeddedHost): Promise<void> => {
  for (let i = 0; i < 500 && !lines.some(({ message }) => message === 'released'); i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

describe('defects of the kernel’s config space that are life-cycle', () => {
  it('D-C5: permissive is the guest’s: the next guest of the device has what the rc file says of it', async () => {
    const address = formatBdf(sample('e1000e').bdf);
    const running = await start({ config: { guests: { first: { devices: { [address]: { permissive: true } } } } } });
    const nic = await nicOf(running);
    const opened = async (name: string): Promise<boolean | undefined> => {
      const guest = await running.guest([nic], { name, driver: 'none' });
      await guest.reached(connected);
      const device = running.pciback.stub.devices[0];
      expect(device?.assignment?.space.write(UNCLAIMED, 4, 0xffffffff)).toBe(0);
      const permissive = device?.operations.permissive;
      running.lines.length = 0;
      await guest.stop();
      await running.platform.toolstack.destroy(guest.domain);
      await released(running);
      return permissive;
    };
    expect(await opened('first')).toBe(true);
    expect(await opened('second')).toBe(false);
  });

  it('D-C12: with the guest its table is gone, with the release the device', async () => {
    const running = await start();
    const nic = await nicOf(running);
    const guest = await running.guest([nic], { driver: 'none' });
    await guest.reached(connected);
    const [before] = running.pciback.stub.devices;
    const table = before?.assignment?.space.table;
    await guest.stop();
    await running.platform.toolstack.destroy(guest.domain);
    await released(running);
    expect(before?.assignment).toBeUndefined();
    await running.pciback.stub.release(nic);
    expect(running.pciback.stub.devices).toEqual([]);
    const again = await running.pciback.stub.seize(nic);
    expect(again).not.toBe(before);
    const next = await running.guest([nic], { driver: 'none' });
    await next.reached(connected);
    expect(again.assignment?.space.table).not.toBe(table);
    await next.stop();
    await running.platform.toolstack.destroy(next.domain);
  });

  it('D-C13: of two devices with the same ids one is released, the other keeps its quirk', async () => {
    const quirk = defineQuirk({
      name: 'lab/window',
      source: 'made up',
      match: [{ vendor: 0x8086, device: 0x10d3 }],
      fields: [register(UNCLAIMED, 32, 'window').writable()],
    });
    const first = sample('e1000e');
    const second = { ...first, bdf: parseBdf('0000:44:00.0') };
    const running = await start({ devices: [first, second], plugins: [quirk] });
    const [one, other] = await Promise.all([first.bdf, second.bdf].map((bdf) => running.pciback.stub.seize(bdf)));
    await running.pciback.stub.release(first.bdf);
    expect(running.pciback.stub.devices).toEqual([other]);
    expect(one?.bdf).toBe(first.bdf);
    const guest = await running.guest([second.bdf], { driver: 'none' });
    await guest.reached(connected);
    expect(other?.assignment?.space.claimsOf(UNCLAIMED, 0xff)).toMatchObject([{ policy: 'writable' }]);
    await guest.stop();
    await running.platform.toolstack.destroy(guest.domain);
  });

  it('D-C14: a device whose seizing fails late leaves nothing behind, and can be seized again', async () => {
    const running = await start();
    const nic = await nicOf(running);
    let broken = true;
    running.plugins.hooks.point('deviceSeized').tap('lab/broken', {}, () => {
      if (broken) throw new Error('not today');
    });
    await expect(running.pciback.stub.seize(nic)).rejects.toMatchObject({ code: 'PLUGIN_FAULT' });
    expect(running.pciback.stub.devices).toEqual([]);
    broken = false;
    expect((await running.pciback.stub.seize(nic)).bdf).toBe(nic);
  });
});

describe('a table is replaced as a whole', () => {
  it('D-C18: a write during which it is replaced ends by the table that it began with', () => {
    const hardware = new FakeFunction();
    const device = new FakeDevice(hardware);
    const tableOf = (set: FieldSet) =>
      compileSpace(device, [{ owner: 'test', set }], { wall: silentWall(), unhandled: 'drop', skipped: () => {} });
    const calls: string[] = [];
    const said = (what: string) => ({
      write: () => {
        calls.push(what);
        return 0;
      },
    });
    const next = tableOf(
      header(
        'next',
        [0],
        [
          register(UNCLAIMED, 16, 'low').calls(said('next low')),
          register(UNCLAIMED + 2, 16, 'high').calls(said('next high')),
        ],
      ),
    );
    const replacing = {
      write: () => {
        calls.push('low');
        space.swap(next);
        return 0;
      },
    };
    const first = tableOf(
      header(
        'first',
        [0],
        [register(UNCLAIMED, 16, 'low').calls(replacing), register(UNCLAIMED + 2, 16, 'high').calls(said('high'))],
      ),
    );
    const space: ConfigSpace = new ConfigSpace(hardware, first, { failed: () => {}, denied: () => {} });
    expect(space.write(UNCLAIMED, 4, 0)).toBe(0);
    expect(calls).toEqual(['low', 'high']);
    expect(space.write(UNCLAIMED, 4, 0)).toBe(0);
    expect(calls).toEqual(['low', 'high', 'next low', 'next high']);
  });
});

// SPDX-License-Identifier: MIT

import { rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf, parseBdf } from '../../core/bdf.ts';
import type { PciBus } from '../../core/platform/index.ts';
import { createEmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';
import { sample } from '../../plugins/platforms/embedded/samples.ts';
import { kernelStubHolder } from '../../plugins/platforms/xen/holders.ts';
import { createSysfsBus, type SysfsBus } from '../../plugins/platforms/xen/sysfs-bus.ts';
import { createWriter } from '../../plugins/platforms/xen/sysfs-files.ts';
import { type HardFixture, type HostHand, hardContract } from '../kit/platform-contract-hard.ts';
import { type FakeSysfs, makeSysfs, sampleConfig, wiredVirtual } from '../plugins/platforms/xen/fake-sysfs.ts';

/** Only what these cases look at. */
const fixtureOf = (pci: PciBus, parts: Omit<HardFixture, 'platform'>): HardFixture =>
  ({ ...parts, platform: { pci } }) as unknown as HardFixture;
const rest = { folder: '', patience: 10, peer: undefined as never };

describe('platform embedded, as hard as hardware', () => {
  const [device, physical, virtual] = [sample('nvme'), sample('igb'), sample('igb-vf')];
  const { pci, close } = createEmbeddedPlatform({ devices: [device, physical, virtual] });
  const hand: HostHand = {
    takeFor: async (address, driver) => pci.takeFor(address, driver),
    moveBar: async (address, index, start) => pci.model(address).moveBar(index, start),
    silence: async (address, state) => {
      pci.model(address).isSilent = state === 'silent';
    },
    removeVirtual: async (address) => pci.disableVirtual(address),
    slowResets: (work) => {
      for (const model of pci.models()) model.resetTakes = work;
    },
  };
  const fixture = fixtureOf(pci, {
    ...rest,
    hand,
    device: device.bdf,
    virtualFunction: virtual.bdf,
    physicalFunction: physical.bdf,
  });
  afterAll(() => close());
  for (const { name, run } of hardContract) it(name, () => run(fixture));
});

describe('the PCI bus over sysfs, as hard as hardware', () => {
  const [device, physical, virtual] = ['0000:03:00.0', '0000:02:00.0', '0000:02:10.0'].map(parseBdf) as [Bdf, Bdf, Bdf];
  const resource = (start: bigint): string =>
    `${[start, start + 0xffffn, 0x40200n].map((one) => `0x${one.toString(16).padStart(16, '0')}`).join(' ')}\n`;
  const config = (ids: number, command: number): Buffer => {
    const bytes = sampleConfig();
    bytes.writeUInt32LE(ids, 0);
    bytes.writeUInt16LE(command, 4);
    return bytes;
  };
  let tree: FakeSysfs;
  let bus: SysfsBus;
  let changes = 0;
  let work: () => Promise<void> = async () => {};
  const write = createWriter();
  const folder = (address: Bdf): string => join(tree.root, 'devices/pci0000:00', formatBdf(address));
  const hand: HostHand = {
    takeFor: async (address, driver = 'pciback') => {
      const [link, name] = [join(folder(address), 'driver'), formatBdf(address)];
      const drivers = join(tree.root, 'bus/pci/drivers');
      for (const one of ['pciback', 'e1000e']) await rm(join(drivers, one, name), { force: true });
      await symlink(folder(address), join(drivers, driver, name));
      // The number of a link that is gone may be given to the next one here, which sysfs does not do.
      changes += 1;
      await rename(link, `${link}.${changes}`);
      await symlink(join(drivers, driver), link);
    },
    moveBar: (address, index, start) => {
      expect(index).toBe(0);
      return writeFile(join(folder(address), 'resource'), resource(start));
    },
    silence: async (address, state) =>
      writeFile(
        join(folder(address), 'config'),
        state === 'silent' ? Buffer.alloc(4096, 0xff) : config(0x10d3_8086, 0x0003),
      ),
    removeVirtual: async () => {
      await rm(join(tree.root, 'bus/pci/devices', formatBdf(virtual)));
      await rm(join(tree.root, 'bus/pci/drivers/pciback', formatBdf(virtual)));
      await rm(folder(virtual), { recursive: true });
    },
    slowResets: (next) => {
      work = next;
    },
  };
  const parts = { ...rest, hand, device, virtualFunction: virtual, physicalFunction: physical };
  beforeAll(async () => {
    const place = (address: Bdf): string => `pci0000:00/${formatBdf(address)}`;
    tree = await makeSysfs(
      [
        {
          place: place(device),
          driver: 'pciback',
          resource: resource(0xfe000000n),
          reset: 'flr\n',
          config: config(0x10d3_8086, 3),
        },
        { place: place(physical), driver: 'igb', config: config(0x10c9_8086, 0x0006) },
        { place: place(virtual), driver: 'pciback', physfn: formatBdf(physical), config: config(0xffff_ffff, 0) },
      ],
      ['e1000e'],
    );
    bus = wiredVirtual(
      createSysfsBus(tree.root, kernelStubHolder(tree.root), async (path, value) => {
        await work();
        await write(path, value);
      }),
    );
  });
  afterAll(async () => {
    bus.close();
    await tree.remove();
  });
  for (const { name, run } of hardContract) it(name, () => run(fixtureOf(bus, parts)));
});

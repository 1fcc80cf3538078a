// SPDX-License-Identifier: MIT

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { PciFunction } from '../../../../core/platform/index.ts';
import type { SysfsBus } from '../../../../plugins/platforms/xen/sysfs-bus.ts';

/** What a function of the fake tree has; the rest is made up. */
export interface FakeFunction {
  /** Folder below `devices`, e.g. `pci0000:00/0000:00:1c.0/0000:03:00.0`. */
  readonly place: string;
  readonly driver?: string;
  readonly class?: string;
  readonly config?: Buffer;
  readonly resource?: string;
  readonly irq?: string;
  /** Address of the physical function. */
  readonly physfn?: string;
  /** Text of `reset_method`; the file `reset` is made with it. */
  readonly reset?: string;
}

export interface FakeSysfs {
  readonly root: string;
  remove(): Promise<void>;
}

const hexWord = (config: Buffer, offset: number): string =>
  `0x${config.readUInt16LE(offset).toString(16).padStart(4, '0')}\n`;

/** 4096 bytes: ids 8086:10d3, class 020000, header type 0. */
export const sampleConfig = (size = 4096): Buffer => {
  const config = Buffer.alloc(size);
  config.writeUInt32LE(0x10d38086, 0);
  config.writeUInt32LE(0x02000003, 8);
  config.writeUInt32LE(0xa01f8086, 0x2c);
  config[0x3c] = 0x0b;
  return config;
};

export const emptyResource = `${'0x0000000000000000 0x0000000000000000 0x0000000000000000\n'.repeat(13)}`;

/** Makes a tree like `/sys` in a new folder. */
export const makeSysfs = async (
  functions: readonly FakeFunction[],
  drivers: readonly string[] = [],
): Promise<FakeSysfs> => {
  const root = await mkdtemp(join(tmpdir(), 'sysfs-'));
  const pci = join(root, 'bus/pci');
  await mkdir(join(pci, 'devices'), { recursive: true });
  for (const driver of drivers) await mkdir(join(pci, 'drivers', driver), { recursive: true });
  for (const fn of functions) {
    const name = basename(fn.place);
    const folder = join(root, 'devices', fn.place);
    const config = fn.config ?? sampleConfig();
    await mkdir(folder, { recursive: true });
    const files: Record<string, string | Buffer> = {
      config,
      vendor: hexWord(config, 0),
      device: hexWord(config, 2),
      subsystem_vendor: hexWord(config, 0x2c),
      subsystem_device: hexWord(config, 0x2e),
      class: fn.class ?? '0x020000\n',
      revision: '0x03\n',
      irq: fn.irq ?? '11\n',
      resource: fn.resource ?? emptyResource,
      enable: '0\n',
      driver_override: '(null)\n',
      ...(fn.reset === undefined ? {} : { reset: '', reset_method: fn.reset }),
    };
    for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content);
    await symlink(folder, join(pci, 'devices', name));
    if (fn.physfn !== undefined) await symlink(join('..', fn.physfn), join(folder, 'physfn'));
    if (fn.driver !== undefined) {
      await mkdir(join(pci, 'drivers', fn.driver), { recursive: true });
      await symlink(join(pci, 'drivers', fn.driver), join(folder, 'driver'));
      await symlink(folder, join(pci, 'drivers', fn.driver, name));
    }
  }
  return { root, remove: () => rm(root, { recursive: true }) };
};

const COMMAND = 0x04;
/** IO and MEMORY decode. */
const DECODE = 0x0003;

/** A bus whose virtual functions have their decode bits wired to 0, as hardware has: a file keeps whatever is written. */
export const wiredVirtual = (bus: SysfsBus): SysfsBus => {
  const wired = new Map<PciFunction, PciFunction>();
  const inner = (device: PciFunction): PciFunction => wired.get(device) ?? device;
  return {
    list: () => bus.list(),
    bridgesAbove: (address) => bus.bridgesAbove(address),
    detailsOf: (address) => bus.detailsOf(address),
    usesOf: (address) => bus.usesOf(address),
    stillHolds: async (device) => (await bus.stillHolds?.(inner(device))) ?? true,
    holdingOf: (address) => bus.holdingOf(address),
    release: (device) => bus.release(inner(device)),
    close: () => bus.close(),
    seize: async (address) => {
      const device = await bus.seize(address);
      if (!device.identity.virtualFunction) return device;
      const wire: PciFunction = Object.create(device, {
        writeConfig: {
          value: (offset: number, size: 1 | 2 | 4, value: number) =>
            device.writeConfig(offset, size, offset === COMMAND ? value & ~DECODE : value),
        },
      });
      wired.set(wire, device);
      return wire;
    },
  };
};

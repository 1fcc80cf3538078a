// SPDX-License-Identifier: MIT

import { readSync } from 'node:fs';
import { bdf } from '../../core/bdf.ts';
import { isPcibackError } from '../../core/errors/index.ts';
import { expectEqual, expectFailure, expectThat } from './contract.ts';
import type { PlatformCase } from './platform-fixture.ts';

/** What the file of config space says. */
const readFile = (file: number, offset: number, size: 1 | 2 | 4): number => {
  const buffer = Buffer.alloc(size);
  expectEqual(readSync(file, buffer, 0, size, offset), size, 'bytes read from the file');
  return buffer.readUIntLE(0, size);
};

/** The obligations of a `PciBus` and its functions. */
export const pciContract: readonly PlatformCase[] = [
  {
    name: 'pci: the list has the function, with what its config space says, as seizable',
    async run({ platform, device }) {
      const listed = (await platform.pci.list()).find(({ bdf: address }) => address === device);
      expectThat(listed !== undefined, 'the function is listed');
      expectThat(listed.seizable, 'it is seizable');
      const held = await platform.pci.seize(device);
      const { identity } = held;
      expectEqual(
        [listed.vendor, listed.device, listed.class],
        [identity.vendor, identity.device, identity.class],
        'ids',
      );
      expectEqual(held.readConfig(0, 4), ((identity.device << 16) | identity.vendor) >>> 0, 'ids in config space');
      expectEqual(held.readConfig(8, 4), ((identity.class << 8) | identity.revision) >>> 0, 'class in config space');
      expectEqual(held.readConfig(0x0e, 1) & 0x7f, identity.headerType, 'header type in config space');
      expectThat(identity.configSize === 256 || identity.configSize === 4096, 'size of config space');
      await platform.pci.release(held);
    },
  },
  {
    name: 'pci: reads of every size agree',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      for (let offset = 0; offset < 0x40; offset += 4) {
        const whole = held.readConfig(offset, 4);
        const halves = [0, 2].map((at) => held.readConfig(offset + at, 2));
        const bytes = [0, 1, 2, 3].map((at) => held.readConfig(offset + at, 1));
        const join = (parts: number[], bits: number): number =>
          parts.reduce((sum, part, index) => sum + part * 2 ** (index * bits), 0);
        expectEqual(join(halves, 16), whole, `two 16-bit reads at 0x${offset.toString(16)}`);
        expectEqual(join(bytes, 8), whole, `four 8-bit reads at 0x${offset.toString(16)}`);
      }
      await platform.pci.release(held);
    },
  },
  {
    name: 'pci: where config space is memory, loads of every size say what reads say',
    async run({ platform, device, memoryOf, needsConfigPage = false }) {
      const held = await platform.pci.seize(device);
      const { configPage } = held;
      if (configPage !== undefined && memoryOf !== undefined) {
        const memory = memoryOf(configPage);
        const views = [
          [1, new Uint8Array(memory)],
          [2, new Uint16Array(memory)],
          [4, new Uint32Array(memory)],
        ] as const;
        // Identity, class, BARs and subsystem: nothing that changes by itself.
        const registers = [0x00, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x2c, 0x34];
        for (const [size, view] of views) {
          for (const register of registers) {
            for (let offset = register; offset < register + 4; offset += size) {
              const what = `${size} bytes at 0x${offset.toString(16)}`;
              const loaded = Atomics.load(view, offset / size);
              expectEqual(loaded, held.readConfig(offset, size), what);
              if (held.configFile !== undefined) expectEqual(loaded, readFile(held.configFile, offset, size), what);
            }
          }
        }
      }
      await platform.pci.release(held);
      // Without this the case would say nothing where a page was wanted and none is there.
      const wasCompared = configPage !== undefined && memoryOf !== undefined;
      expectThat(wasCompared || !needsConfigPage, 'config space is memory, and was compared');
    },
  },
  {
    name: 'pci: a write of each size reaches the register, and only its bytes',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      const cacheLine = 0x0c;
      const line = 0x3c;
      const before = [held.readConfig(cacheLine, 4), held.readConfig(line, 4)] as const;
      held.writeConfig(line, 1, 0x5a);
      expectEqual(held.readConfig(line, 4), ((before[1] & ~0xff) | 0x5a) >>> 0, 'register after an 8-bit write');
      held.writeConfig(line, 1, before[1] & 0xff);
      expectEqual(held.readConfig(line, 4), before[1], 'register put back');
      const command = held.readConfig(4, 2);
      held.writeConfig(4, 2, command ^ 0x400);
      expectEqual(held.readConfig(4, 2), command ^ 0x400, 'command register after a 16-bit write');
      held.writeConfig(4, 2, command);
      expectEqual(held.readConfig(4, 2), command, 'command register put back');
      expectEqual(held.readConfig(cacheLine, 4), before[0], 'a register that was not written');
      await platform.pci.release(held);
    },
  },
  {
    name: 'pci: a function has seven resources, each with a size or none',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      expectEqual(held.resources.length, 7, 'resources');
      for (const { size, flags } of held.resources) {
        expectThat(size >= 0n && (size === 0n || (size & (size - 1n)) === 0n), `a power of two, got ${size}`);
        expectThat(size === 0n || (flags & 0x300) !== 0, 'a resource with a size is memory or ports');
      }
      await platform.pci.release(held);
    },
  },
  {
    name: 'pci: a held function is not seized again until it is released',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      await expectFailure(() => platform.pci.seize(device), 'second seize');
      await platform.pci.release(held);
      await platform.pci.release(await platform.pci.seize(device));
    },
  },
  {
    name: 'pci: a function that is not there is not found',
    async run({ platform }) {
      const error = await expectFailure(() => platform.pci.seize(bdf(0, 0xfe, 0xf7)), 'seize');
      expectThat(isPcibackError(error, 'DEVICE_NOT_FOUND'), `DEVICE_NOT_FOUND, got ${error}`);
    },
  },
  {
    name: 'pci: the bridges above a function are functions of the bus',
    async run({ platform, device }) {
      const listed = new Set((await platform.pci.list()).map(({ bdf: address }) => address));
      for (const bridge of await platform.pci.bridgesAbove(device)) {
        expectThat(bridge !== device && listed.has(bridge), 'a bridge is listed and is not the function');
      }
    },
  },
  {
    name: 'pci: a reset says what it did and leaves the function there',
    async run({ platform, device }) {
      const held = await platform.pci.seize(device);
      const ids = held.readConfig(0, 4);
      const outcome = await held.reset();
      expectThat(outcome.ok ? outcome.method !== '' : outcome.detail !== '', 'a method, or a reason');
      expectEqual(held.readConfig(0, 4), ids, 'ids after the reset');
      await platform.pci.release(held);
    },
  },
];

// SPDX-License-Identifier: MIT

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../../core/bdf.ts';
import { isPcibackError } from '../../../../core/errors/index.ts';
import { capabilitiesOf, type DeviceImage, extendedOf } from '../../../../plugins/platforms/embedded/image.ts';
import { hostDevices, parseDump, readDump, sample, samples } from '../../../../plugins/platforms/embedded/sources.ts';

const title: Record<string, string> = {
  e1000e: 'Ethernet controller [0200]: Intel Corporation 82574L Gigabit Network Connection [8086:10d3]',
  'igb-vf': 'Ethernet controller [0200]: Intel Corporation 82576 Virtual Function [8086:10ca] (rev 01)',
};

/** What lspci prints for an image. */
const dumpOf = (
  name: 'e1000e' | 'igb-vf' | 'rtl8139' | 'nvme',
  bytes: number,
  extra: readonly string[] = [],
): string => {
  const { bdf, config } = sample(name);
  const rows = Array.from({ length: bytes / 16 }, (_, row) => {
    const hex = [...config.subarray(16 * row, 16 * row + 16)].map((one) => one.toString(16).padStart(2, '0'));
    return `${(16 * row).toString(16).padStart(2, '0')}: ${hex.join(' ')}`;
  });
  return [`${formatBdf(bdf).slice(5)} ${title[name] ?? 'Device'}`, ...extra, ...rows, '', ''].join('\n');
};

/** The refusal of a dump: line and reason. */
const refusal = (text: string): [line: unknown, why: string] => {
  try {
    parseDump(text, 'x.txt');
  } catch (error) {
    if (isPcibackError(error, 'DUMP_INVALID')) return [error.facts.line, String(error.facts.why)];
    throw error;
  }
  throw new Error('the dump was accepted');
};

describe('lspci dumps', () => {
  it('give the config space that is in them, several devices per file', () => {
    const images = parseDump(dumpOf('e1000e', 4096) + dumpOf('rtl8139', 256), 'x.txt');
    expect(images.map((one) => formatBdf(one.bdf))).toEqual(['0000:01:00.0', '0000:05:04.0']);
    expect(images[0]).toMatchObject({ vendor: 0x8086, device: 0x10d3, known: 4096, line: 16, source: 'x.txt' });
    expect(images[0]?.config).toEqual(sample('e1000e').config);
    expect(images[1]).toMatchObject({ known: 256, line: 19 });
  });

  it('give BAR sizes where they are verbose', () => {
    const brief = [
      '\tFlags: bus master, fast devsel, latency 0, IRQ 48',
      '\tMemory at f7d00000 (32-bit, non-prefetchable) [size=128K]',
      '\tI/O ports at e000 [size=32]',
      '\tExpansion ROM at f7c40000 [disabled] [size=256K]',
    ];
    const [image] = parseDump(dumpOf('e1000e', 256, brief), 'x.txt');
    expect(image?.line).toBe(48);
    expect([0, 2, 6].map((index) => image?.resources[index]?.size)).toEqual([0x20000n, 0x20n, 0x40000n]);
    const full = [
      '\tInterrupt: pin A routed to IRQ 33',
      '\tRegion 1: Memory at f7c80000 (32-bit, non-prefetchable) [size=512K]',
    ];
    const [second] = parseDump(dumpOf('e1000e', 256, full), 'x.txt');
    expect(second?.line).toBe(33);
    expect(second?.resources[1]).toMatchObject({ start: 0xf7c80000n, size: 0x80000n });
  });

  it('have sizes guessed from the address where they are not', () => {
    const [image] = parseDump(dumpOf('e1000e', 256), 'x.txt');
    expect(image?.resources.map((one) => one.size)).toEqual([0x100000n, 0x80000n, 0x100n, 0x20000n, 0n, 0n, 0x20000n]);
    const [nvme] = parseDump(dumpOf('nvme', 4096), 'x.txt');
    expect(nvme?.resources[0]).toEqual({ start: 0xf7900000n, size: 0x100000n, flags: 0x100204 });
  });

  it('with 64 bytes give a function without capabilities', () => {
    const [image] = parseDump(dumpOf('e1000e', 64), 'x.txt');
    expect(image).toMatchObject({ known: 64 });
    expect(image?.config).toHaveLength(256);
    expect(capabilitiesOf(image?.config ?? new Uint8Array())).toEqual([]);
  });

  it('know a virtual function by its empty ids', () => {
    const [image] = parseDump(dumpOf('igb-vf', 4096), 'x.txt');
    expect(image).toMatchObject({ vendor: 0x8086, device: 0x10ca, virtualFunction: true });
    expect(refusal(dumpOf('igb-vf', 256).replace(/\[8086:10ca\]/, ''))).toEqual([1, expect.stringContaining('-nn')]);
  });

  it('switch off what the driver had on', () => {
    const text = dumpOf('e1000e', 256)
      .replace(/^00: (.{11}) .{5}/m, '00: $1 07 04')
      .replace(/^a0: 11 00 04 00/m, 'a0: 11 00 04 c0');
    const [image] = parseDump(text, 'x.txt');
    expect(image?.config.subarray(4, 6)).toEqual(Uint8Array.of(3, 0));
    expect(image?.config.subarray(0xa2, 0xa4)).toEqual(Uint8Array.of(4, 0));
  });

  it.each([
    ['rows that stop at 0x30', dumpOf('e1000e', 48), 4, 'ends at 0x30'],
    ['rows that stop in the extended space', dumpOf('e1000e', 0x1b0), 28, 'ends at 0x1b0'],
    ['a short device beside long ones', dumpOf('rtl8139', 256) + dumpOf('e1000e', 64), 23, 'has 64 bytes'],
    ['half a row at the end', dumpOf('e1000e', 256).replace(/^(f0:(?: ..){9})[\s\S]*/m, '$1'), 17, '9 of 16'],
    ['half a byte', dumpOf('e1000e', 256).replace(/^(f0:(?: ..){9} .)[\s\S]*/m, '$1'), 17, 'not a row of 16 bytes'],
    ['bad hex', dumpOf('e1000e', 256).replace(/^20: ../m, '20: zz'), 4, 'not a row of 16 bytes'],
    ['a missing row', dumpOf('e1000e', 256).replace(/^20:.*\n/m, ''), 4, 'row 30 where row 20 is due'],
    ['rows without a device', dumpOf('e1000e', 256).replace(/^.*\n/, ''), 1, 'before the first device'],
    ['a device without rows', '01:00.0 Ethernet controller\n', 1, 'no rows of bytes'],
    ['a device twice', dumpOf('e1000e', 256).repeat(2), 19, 'first in line 1'],
    ['nothing', '\n', 2, 'no device'],
    ['something else', 'hello\n', 2, 'no device'],
  ])('with %s are refused', (_, text, line, why) => {
    expect(refusal(text)).toEqual([line, expect.stringContaining(why)]);
  });

  it('that are not there are refused by name', async () => {
    await expect(readDump('/nowhere/x.txt')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      facts: { file: '/nowhere/x.txt' },
    });
  });
});

describe('the host’s devices', () => {
  let directory: string;
  const add = async (name: string, image: DeviceImage, bytes: number, files: Record<string, string> = {}) => {
    const path = join(directory, name);
    await mkdir(path);
    await writeFile(join(path, 'config'), image.config.subarray(0, bytes));
    const lines = image.resources.map(({ start, size, flags }) =>
      [start, size === 0n ? 0n : start + size - 1n, BigInt(flags)].map(
        (one) => `0x${one.toString(16).padStart(16, '0')}`,
      ),
    );
    const all = {
      resource: lines.map((one) => one.join(' ')).join('\n'),
      vendor: `0x${image.vendor.toString(16)}\n`,
      device: `0x${image.device.toString(16)}\n`,
      irq: `${image.line}\n`,
      ...files,
    };
    for (const [file, text] of Object.entries(all)) await writeFile(join(path, file), text);
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pciback-host-'));
    await add('0000:01:00.0', sample('e1000e'), 4096);
    await add('0000:02:10.0', sample('igb-vf'), 4096);
    await symlink('../0000:02:00.0', join(directory, '0000:02:10.0', 'physfn'));
    await add('0000:05:04.0', sample('rtl8139'), 64);
    await mkdir(join(directory, '0000:06:00.0'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('are read with ids, resources, line and physical function', async () => {
    const images = await hostDevices(directory);
    expect(images.map((one) => formatBdf(one.bdf))).toEqual(['0000:01:00.0', '0000:02:10.0', '0000:05:04.0']);
    const [e1000e, vf, rtl8139] = images;
    expect(e1000e).toMatchObject({ vendor: 0x8086, device: 0x10d3, line: 16, known: 4096, virtualFunction: false });
    expect(e1000e?.resources).toEqual(sample('e1000e').resources);
    expect(vf).toMatchObject({ virtualFunction: true, physicalFunction: sample('igb').bdf, device: 0x10ca });
    expect(rtl8139).toMatchObject({ known: 64 });
    expect(capabilitiesOf(rtl8139?.config ?? new Uint8Array())).toEqual([]);
  });

  it('are none where there is no PCI', async () => {
    expect(await hostDevices(join(directory, 'nowhere'))).toEqual([]);
  });

  it('that cannot be read are named', async () => {
    const broken = await mkdtemp(join(tmpdir(), 'pciback-host-'));
    await mkdir(join(broken, '0000:01:00.0', 'config'), { recursive: true });
    for (const file of ['resource', 'vendor', 'device', 'irq'])
      await writeFile(join(broken, '0000:01:00.0', file), '0');
    await expect(hostDevices(broken)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await rm(broken, { recursive: true });
  });
});

describe('the samples', () => {
  it('have addresses of their own, sound capability chains and naturally aligned BARs', () => {
    const images = samples();
    expect(new Set(images.map((one) => one.bdf)).size).toBe(images.length);
    for (const image of images) {
      for (const { offset } of capabilitiesOf(image.config)) expect(offset % 4).toBe(0);
      for (const { start, size } of image.resources) expect(size === 0n ? 0n : start % size).toBe(0n);
    }
    expect(extendedOf(sample('igb').config).map((one) => one.id)).toEqual([1, 3, 0x0e, 0x10]);
    expect(samples(9).every((one) => one.bdf >>> 16 === 9)).toBe(true);
  });

  it('no BAR lies in another', () => {
    const spans = samples()
      .flatMap((image) => image.resources.filter((one) => one.size > 0n))
      .map(({ start, size, flags }) => ({ start, end: start + size, io: (flags & 0x100) !== 0 }));
    for (const a of spans) {
      for (const b of spans) {
        if (a !== b && a.io === b.io) expect(a.start >= b.end || b.start >= a.end).toBe(true);
      }
    }
  });
});

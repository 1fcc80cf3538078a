// SPDX-License-Identifier: MIT

import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf, parseBdf } from '../../../../core/bdf.ts';
import { HostError } from '../../../../core/platform/index.ts';
import { kernelStubHolder } from '../../../../plugins/platforms/xen/holders.ts';
import { createSysfsBus, type SysfsBus } from '../../../../plugins/platforms/xen/sysfs-bus.ts';
import { createWriter } from '../../../../plugins/platforms/xen/sysfs-files.ts';
import { parseResources } from '../../../../plugins/platforms/xen/sysfs-function.ts';
import { emptyResource, type FakeFunction, type FakeSysfs, makeSysfs, sampleConfig } from './fake-sysfs.ts';

const nic = parseBdf('0000:03:00.0');
const nicPlace = 'pci0000:00/0000:00:1c.0/0000:02:00.0/0000:03:00.0';
const bridges: readonly FakeFunction[] = [
  { place: 'pci0000:00/0000:00:1c.0', class: '0x060400\n', driver: 'pcieport' },
  { place: 'pci0000:00/0000:00:1c.0/0000:02:00.0', class: '0x060400\n', driver: 'pcieport' },
];

let tree: FakeSysfs | undefined;
let bus: SysfsBus | undefined;
afterEach(async () => {
  bus?.close();
  bus = undefined;
  await tree?.remove();
  tree = undefined;
});

/** A drop-in bus over a tree with one NIC that the kernel's stub holds. */
const dropIn = async (fn: Partial<FakeFunction> = {}, more: readonly FakeFunction[] = []): Promise<SysfsBus> => {
  tree = await makeSysfs([{ place: nicPlace, driver: 'pciback', ...fn }, ...bridges, ...more]);
  bus = createSysfsBus(tree.root, kernelStubHolder(tree.root), createWriter());
  return bus;
};
const fileOf = (name: string): string => join(tree?.root ?? '', 'devices', nicPlace, name);

describe('resource files', () => {
  const line = (start: string, end: string, flags: string): string => `${start} ${end} ${flags}`;
  const zero = line('0x0000000000000000', '0x0000000000000000', '0x0000000000000000');

  it('give start, size and flags of BARs and ROM, and nothing of what follows', () => {
    const text = [
      line('0x00000000feb40000', '0x00000000feb5ffff', '0x0000000000040200'),
      zero,
      line('0x0000000000006080', '0x000000000000609f', '0x0000000000040101'),
      line('0x00000380c0000000', '0x00000380c3ffffff', '0x000000000014220c'),
      zero,
      zero,
      line('0x00000000feb00000', '0x00000000feb3ffff', '0x0000000000046200'),
      line('0x0000000001000000', '0x0000000001ffffff', '0x0000000000000200'),
    ].join('\n');
    expect(parseResources(text)).toEqual([
      { start: 0xfeb40000n, size: 0x20000n, flags: 0x40200 },
      { start: 0n, size: 0n, flags: 0 },
      { start: 0x6080n, size: 0x20n, flags: 0x40101 },
      { start: 0x380c0000000n, size: 0x4000000n, flags: 0x14220c },
      { start: 0n, size: 0n, flags: 0 },
      { start: 0n, size: 0n, flags: 0 },
      { start: 0xfeb00000n, size: 0x40000n, flags: 0x46200 },
    ]);
  });

  it('keep the highest bit of the flags positive, and the size of what has no address', () => {
    const [first] = parseResources(line('0x0', '0xfff', '0x00000000a0040200'));
    expect(first).toEqual({ start: 0n, size: 0x1000n, flags: 0xa0040200 });
  });

  it('that are cut off or garbled give seven resources without a size', () => {
    for (const text of ['', 'nonsense', line('0x10', '0x5', '0x200')]) {
      const resources = parseResources(text);
      expect(resources).toHaveLength(7);
      expect(resources.every(({ size }) => size === 0n)).toBe(true);
    }
  });
});

describe('the PCI bus over sysfs', () => {
  it('lists every function in order, with its holder', async () => {
    const listed = await (await dropIn({}, [{ place: 'pci0000:00/0000:00:02.0', class: '0x030000\n' }])).list();
    expect(listed.map(({ bdf, holder, seizable }) => `${formatBdf(bdf)} ${holder} ${seizable}`)).toEqual([
      '0000:00:02.0 free false',
      '0000:00:1c.0 pcieport false',
      '0000:02:00.0 pcieport false',
      '0000:03:00.0 seizable true',
    ]);
    expect(listed[3]).toMatchObject({ vendor: 0x8086, device: 0x10d3, class: 0x020000 });
  });

  it('leaves out functions whose segment no guest can have', async () => {
    const listed = await (await dropIn({}, [{ place: 'pci10000:e0/10000:e0:06.0' }])).list();
    expect(listed).toHaveLength(3);
  });

  it('lists nothing where there is no PCI', async () => {
    tree = await makeSysfs([]);
    const empty = createSysfsBus(`${tree.root}/nowhere`, kernelStubHolder(tree.root), createWriter());
    expect(await empty.list()).toEqual([]);
  });

  it('knows the bridges above, nearest first', async () => {
    const where = await dropIn();
    expect((await where.bridgesAbove(nic)).map(formatBdf)).toEqual(['0000:02:00.0', '0000:00:1c.0']);
    expect(await where.bridgesAbove(parseBdf('0000:00:1c.0'))).toEqual([]);
    await expect(where.bridgesAbove(parseBdf('0000:07:00.0'))).rejects.toMatchObject({ code: 'DEVICE_NOT_FOUND' });
  });

  it('a seized function has the identity the host found', async () => {
    const config = sampleConfig(256);
    const place = 'pci0000:00/0000:00:1c.0/0000:02:00.0/0000:02:10.0';
    const { identity, line } = await (await dropIn({ config, physfn: '0000:02:10.0' }, [{ place }])).seize(nic);
    expect(identity).toEqual({
      bdf: nic,
      vendor: 0x8086,
      device: 0x10d3,
      subsystemVendor: 0x8086,
      subsystemDevice: 0xa01f,
      class: 0x020000,
      revision: 3,
      headerType: 0,
      configSize: 256,
      virtualFunction: true,
      physicalFunction: parseBdf('0000:02:10.0'),
    });
    expect(line).toBe(11);
  });

  it.each([
    ['0\n', 0],
    ['16\n', 16],
    ['255\n', 0],
  ])('irq %j is line %i', async (irq, line) => {
    expect((await (await dropIn({ irq })).seize(nic)).line).toBe(line);
  });

  it('config accesses move exactly their bytes', async () => {
    const device = await (await dropIn()).seize(nic);
    expect([device.readConfig(0, 4), device.readConfig(2, 2), device.readConfig(3, 1)]).toEqual([
      0x10d38086, 0x10d3, 0x10,
    ]);
    device.writeConfig(0x40, 4, 0xfedcba98);
    device.writeConfig(0x44, 1, 0x77);
    device.writeConfig(0x46, 2, 0x1234);
    expect(readFileSync(fileOf('config')).subarray(0x40, 0x4c).toString('hex')).toBe('98badcfe7700341200000000');
    expect(device.readConfig(0x40, 4)).toBe(0xfedcba98);
    expect(device.readConfig(0xffc, 4)).toBe(0);
    expect(device.identity.configSize).toBe(4096);
  });

  it('a short access is EIO', async () => {
    const device = await (await dropIn()).seize(nic);
    truncateSync(fileOf('config'), 0x42);
    expect(() => device.readConfig(0x40, 4)).toThrow(expect.objectContaining({ errno: 5 }));
    expect(() => device.readConfig(0x80, 1)).toThrow(HostError);
  });

  it('a released function cannot be accessed', async () => {
    const where = await dropIn();
    const device = await where.seize(nic);
    await where.release(device);
    expect(() => device.readConfig(0, 4)).toThrow(expect.objectContaining({ errno: 19 }));
    expect(() => device.writeConfig(4, 2, 0)).toThrow(HostError);
    await expect(where.release(device)).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZED' });
  });

  it('of two that seize one function at the same time one succeeds', async () => {
    const where = await dropIn();
    const results = await Promise.allSettled([where.seize(nic), where.seize(nic)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('a function that is not there is not found, another header type is refused', async () => {
    const config = sampleConfig();
    config[0x0e] = 0x82;
    const where = await dropIn({ config });
    await expect(where.seize(parseBdf('0000:07:00.0'))).rejects.toMatchObject({ code: 'DEVICE_NOT_FOUND' });
    await expect(where.seize(nic)).rejects.toMatchObject({ code: 'DEVICE_HEADER' });
    config[0x0e] = 0x80;
  });
});

describe('a reset', () => {
  it('writes 1 and tells the first method', async () => {
    const device = await (await dropIn({ reset: 'flr bus\n' })).seize(nic);
    expect(await device.reset()).toEqual({ ok: true, method: 'flr' });
    expect(readFileSync(fileOf('reset'), 'utf8')).toBe('1');
  });

  it('leaves methods out, and gives the host its list back', async () => {
    const written: string[] = [];
    tree = await makeSysfs([{ place: nicPlace, driver: 'pciback', reset: 'flr pm bus\n' }]);
    const told: string[] = [];
    bus = createSysfsBus(
      tree.root,
      kernelStubHolder(tree.root),
      async (path, value) => void written.push(`${path.split('/').at(-1)} ${value}`),
      undefined,
      { tell: (address, method) => void told.push(`${formatBdf(address)} ${method}`) },
    );
    const device = await bus.seize(nic);
    expect(await device.resetMethods?.()).toEqual(['flr', 'pm', 'bus']);
    expect(await device.reset(['flr', 'af_flr'])).toEqual({ ok: true, method: 'pm' });
    expect(written).toEqual(['reset_method pm bus', 'reset 1', 'reset_method flr pm bus']);
    expect(await device.reset(['flr', 'pm', 'bus'])).toMatchObject({ ok: false, reason: 'unsupported' });
    expect([written.length, told]).toEqual([3, ['0000:03:00.0 pm']]);
  });

  it('without the file is unsupported', async () => {
    const device = await (await dropIn()).seize(nic);
    expect(await device.reset()).toMatchObject({ ok: false, reason: 'unsupported' });
  });

  it('that the host refuses has failed, with the reason', async () => {
    tree = await makeSysfs([{ place: nicPlace, driver: 'pciback', reset: 'flr\n' }]);
    let errno = 110;
    bus = createSysfsBus(tree.root, kernelStubHolder(tree.root), async (path) => {
      throw new HostError(`write of ${path}`, errno);
    });
    const device = await bus.seize(nic);
    expect(await device.reset()).toMatchObject({ ok: false, reason: 'failed', detail: 'flr: errno 110' });
    errno = 25;
    expect(await device.reset()).toMatchObject({ ok: false, reason: 'unsupported' });
  });
});

describe('attribute writes', () => {
  it('never run more than two at a time: the pool of threads is shared with the reader of events', async () => {
    let running = 0;
    let most = 0;
    const order: string[] = [];
    const write = createWriter(2, async (path) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running -= 1;
      order.push(path);
      if (path === 'b') throw new HostError('b', 5);
    });
    const results = await Promise.allSettled(['a', 'b', 'c', 'd', 'e', 'f'].map((path) => write(path, '1')));
    expect(most).toBe(2);
    expect(order).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, true, true, true]);
    await write('g', '1');
  });

  it('that never end hold nothing up but themselves: later ones are made in processes of their own', async () => {
    await dropIn();
    const { root = '' } = tree ?? {};
    const hung: string[] = [];
    const hangs = (path: string): Promise<void> => {
      hung.push(path);
      return new Promise(() => undefined);
    };
    const write = createWriter(2, hangs, 20);
    void write('one', '1');
    void write('two', '1');
    const target = join(root, 'attribute');
    writeFileSync(target, 'before');
    await Promise.all([write(target, 'after'), write(target, 'after')]);
    // Written over from its beginning, and not cut off.
    expect(readFileSync(target, 'utf8')).toBe('aftere');
    await expect(write(fileOf('nothing'), '1')).rejects.toMatchObject({ errno: 2 });
    await expect(write(root, '1')).rejects.toMatchObject({ errno: 21 });
    expect(hung).toEqual(['one', 'two']);
  });

  it('of one guest that hang in every place hold up those of another for a moment, and then not at all', async () => {
    await dropIn();
    const write = createWriter(2, () => new Promise(() => undefined), 60_000, 300);
    void write('one', '1');
    void write('two', '1');
    const target = join(tree?.root ?? '', 'attribute');
    writeFileSync(target, '');
    const begun = performance.now();
    const first = write(target, 'a');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(readFileSync(target, 'utf8')).toBe('');
    await first;
    // As long as two processes of Node take, and far less than its turn.
    await write(target, 'b');
    expect(performance.now() - begun).toBeLessThan(20_000);
    expect(readFileSync(target, 'utf8')).toBe('b');
  });

  it('that were slow give their places to those that wait', async () => {
    const ends: (() => void)[] = [];
    const order: string[] = [];
    const write = createWriter(1, (path) => {
      order.push(path);
      return new Promise((resolve) => ends.push(resolve));
    });
    const both = [write('one', '1'), write('two', '1')];
    expect(order).toEqual(['one']);
    ends.shift()?.();
    await both[0];
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['one', 'two']);
    ends.shift()?.();
    await both[1];
  });

  it('never make a file', async () => {
    await dropIn();
    await expect(createWriter()(fileOf('nothing'), '1')).rejects.toMatchObject({ errno: 2 });
  });
});

describe('a bus in drop-in mode', () => {
  it('takes only what the kernel module holds, and says how to get there', async () => {
    const where = await dropIn({ driver: 'e1000e' });
    await expect(where.seize(nic)).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZABLE',
      message: expect.stringContaining('e1000e'),
      solve: expect.stringContaining('xl pci-assignable-add 0000:03:00.0'),
    });
  });
});

it('the sample tree has no resources', () => {
  expect(parseResources(emptyResource).every(({ size }) => size === 0n)).toBe(true);
});

// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import type { Logger } from '../../../../core/log.ts';
import {
  type ConfigPages,
  configLoads,
  createConfigPages,
  NOT_ANSWERED,
} from '../../../../plugins/platforms/xen/config-pages.ts';
import { kernelStubHolder } from '../../../../plugins/platforms/xen/holders.ts';
import { createSysfsBus, type SysfsBus } from '../../../../plugins/platforms/xen/sysfs-bus.ts';
import { createWriter, type WriteAttribute } from '../../../../plugins/platforms/xen/sysfs-files.ts';
import { iomemText, mcfgTable } from './ecam-tables.ts';
import { type Answer, createFakeNative, type FakeNative, fakePointer } from './fake-native.ts';
import { type FakeSysfs, makeSysfs, sampleConfig } from './fake-sysfs.ts';

const nic = parseBdf('0000:03:00.0');
const place = 'pci0000:00/0000:00:1c.0/0000:03:00.0';
/** Frame 0xe0300, as the library is given it. */
const frameBytes = '<0 3 14 0 0 0 0 0>';

/** A host with one function: its file in a folder, its page in memory, so that both can be told apart. */
interface Host {
  readonly native: FakeNative;
  readonly pages: ConfigPages;
  readonly page: DataView;
  /** Lines of the log, as `level: why or message`. */
  readonly said: string[];
  readonly bus: SysfsBus;
}

let tree: FakeSysfs | undefined;
let host: Host | undefined;
afterEach(async () => {
  host?.bus.close();
  host?.pages.close();
  host = undefined;
  await tree?.remove();
  tree = undefined;
});

const fileOf = (path: string): string => join(tree?.root ?? '', path);
const configFile = (): Buffer => readFileSync(fileOf(`devices/${place}/config`));

interface Wishes {
  readonly config?: Buffer;
  readonly answers?: Record<string, Answer | undefined>;
  readonly mcfg?: Buffer;
  readonly iomem?: string;
  readonly write?: WriteAttribute;
}

const makeHost = async ({ config = sampleConfig(), answers, mcfg, iomem, write }: Wishes = {}): Promise<Host> => {
  tree = await makeSysfs([{ place, driver: 'pciback', config, reset: 'flr\n' }]);
  const table = fileOf('firmware/acpi/tables/MCFG');
  await mkdir(dirname(table), { recursive: true });
  await writeFile(table, mcfg ?? mcfgTable());
  await writeFile(fileOf('iomem'), iomem ?? iomemText);
  const memory = new ArrayBuffer(4096);
  new Uint8Array(memory).set(config);
  const said: string[] = [];
  const say =
    (level: string) =>
    (facts: { readonly why?: string; readonly error?: string }, message: string): void => {
      said.push(`${level}: ${facts.why ?? facts.error ?? message}`);
    };
  const log: Logger = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
  const library: Record<string, Answer | undefined> = {
    xenforeignmemory_open: () => fakePointer(),
    xenforeignmemory_close: () => 0,
    xenforeignmemory_map: () => fakePointer(memory),
    xenforeignmemory_unmap: () => 0,
    ...answers,
  };
  const present = Object.entries(library).flatMap(([name, answer]) => (answer === undefined ? [] : [[name, answer]]));
  const native = createFakeNative(Object.fromEntries(present));
  const pages = createConfigPages(native, { sysfsRoot: tree.root, log, iomem: fileOf('iomem') });
  const bus = createSysfsBus(tree.root, kernelStubHolder(tree.root), write ?? createWriter(), pages);
  host = { native, pages, page: new DataView(memory), said, bus };
  return host;
};

const called = (native: FakeNative, name: string): string[] => native.calls.filter((call) => call.startsWith(name));

describe('a page of config space', () => {
  it('is one read-only page of the machine, at the frame of its function', async () => {
    const { native, pages, page, said } = await makeHost();
    const mapped = pages.map(nic);
    expect(mapped?.memory).toBe(page.buffer);
    expect(mapped?.reference).toBe(0x1000n);
    expect(native.calls).toEqual([
      'xenforeignmemory_open null 0',
      `xenforeignmemory_map handle ${0x7ff1} 1 1 ${frameBytes} <0 0 0 0>`,
    ]);
    expect(said).toEqual(['debug: config space is read from its page']);
  });

  it('is unmapped once, however often it is given back', async () => {
    const { native, pages } = await makeHost();
    const mapped = pages.map(nic);
    mapped?.unmap();
    mapped?.unmap();
    pages.close();
    pages.close();
    expect(native.calls.slice(2)).toEqual(['xenforeignmemory_unmap handle handle 1', 'xenforeignmemory_close handle']);
  });

  it('that is still mapped at the end is unmapped then; afterwards there are no pages', async () => {
    const { native, pages, said } = await makeHost();
    const mapped = pages.map(nic);
    pages.close();
    mapped?.unmap();
    expect(native.calls.slice(2)).toEqual(['xenforeignmemory_unmap handle handle 1', 'xenforeignmemory_close handle']);
    expect(pages.map(nic)).toBeUndefined();
    expect(said.at(-1)).toContain('closed');
  });

  it('shares the handle with the others', async () => {
    const { native, pages } = await makeHost();
    pages.map(nic)?.unmap();
    pages.map(nic)?.unmap();
    expect(called(native, 'xenforeignmemory_open')).toHaveLength(1);
  });

  it('that cannot be unmapped is told, and holds up nothing', async () => {
    const { native, pages, said } = await makeHost({ answers: { xenforeignmemory_unmap: () => -1 } });
    const mapped = pages.map(nic);
    native.setErrno(22);
    mapped?.unmap();
    expect(said.at(-1)).toMatch(/^warn: xenforeignmemory_unmap: EINVAL/);
  });
});

describe('there is no page, and the log says why,', () => {
  /** Why there is no page, and how often something was mapped and unmapped. */
  const refusal = async (wishes: Wishes, address = nic): Promise<{ why: string; maps: number; unmaps: number }> => {
    const { native, pages, said } = await makeHost(wishes);
    expect(pages.map(address)).toBeUndefined();
    expect(said).toHaveLength(1);
    const [maps, unmaps] = ['xenforeignmemory_map', 'xenforeignmemory_unmap'].map(
      (name) => called(native, name).length,
    );
    return { why: said[0] ?? '', maps: maps ?? 0, unmaps: unmaps ?? 0 };
  };

  it('without the table', async () => {
    const { pages, native, said } = await makeHost();
    await rm(fileOf('firmware/acpi/tables/MCFG'));
    expect(pages.map(nic)).toBeUndefined();
    expect(said[0]).toMatch(/^info: ENOENT.*MCFG/);
    expect(native.calls).toEqual([]);
  });

  it.each([
    ['with a broken table', { mcfg: mcfgTable().fill(1, 44, 45) }, 'checksum'],
    ['when the kernel does not use the range', { iomem: 'e0000000-efffffff : Reserved\n' }, 'lists no range'],
    ['when the range has other buses', { mcfg: mcfgTable([{ first: 4 }]), iomem: iomemText }, 'lists no range'],
    [
      'on a bus outside of the range',
      { iomem: 'e0000000-e00fffff : PCI MMCONFIG 0000 [bus 00-00]\n' },
      'no range has 0000:03:00.0: 0000 [bus 00-00]',
    ],
  ] as const)('%s: nothing is asked of the hypervisor then', async (_when, wishes, why) => {
    expect(await refusal(wishes)).toEqual({ why: expect.stringContaining(why), maps: 0, unmaps: 0 });
  });

  it('in another segment', async () => {
    expect(await refusal({}, parseBdf('0001:03:00.0'))).toMatchObject({ maps: 0 });
  });

  it('without the library', async () => {
    const { why, maps } = await refusal({ answers: { xenforeignmemory_map: undefined } });
    expect(why).toContain('libxenforeignmemory.so.1');
    expect(maps).toBe(0);
  });

  it('without the privilege', async () => {
    const refuse = (): null => {
      host?.native.setErrno(1);
      return null;
    };
    const found = await refusal({ answers: { xenforeignmemory_open: refuse } });
    expect(found).toEqual({ why: expect.stringContaining('EPERM'), maps: 0, unmaps: 0 });
  });

  it('when the call is refused', async () => {
    const refuse = (): null => {
      host?.native.setErrno(1);
      return null;
    };
    const found = await refusal({ answers: { xenforeignmemory_map: refuse } });
    expect(found).toEqual({ why: 'info: xenforeignmemory_map: EPERM (1) (frame 0xe0300)', maps: 1, unmaps: 0 });
  });

  it('when the frame is refused although the call succeeds: it is not touched', async () => {
    const refuse: Answer = (...parameters) => {
      Buffer.from((parameters[5] as Uint8Array).buffer, (parameters[5] as Uint8Array).byteOffset, 4).writeInt32LE(-14);
      return fakePointer(new ArrayBuffer(8)); // a view of it would fail
    };
    const found = await refusal({ answers: { xenforeignmemory_map: refuse } });
    expect(found).toEqual({ why: expect.stringContaining('EFAULT (14)'), maps: 1, unmaps: 1 });
  });

  it('when the loader cannot show the memory', async () => {
    const small = (): unknown => fakePointer(new ArrayBuffer(8));
    expect(await refusal({ answers: { xenforeignmemory_map: small } })).toMatchObject({ maps: 1, unmaps: 1 });
  });

  it.each([0x00, 0x08, 0x10, 0x14, 0x2c, 0x100])('when page and file differ at offset %i', async (offset) => {
    const memory = new ArrayBuffer(4096);
    new Uint8Array(memory).set(sampleConfig());
    new DataView(memory).setUint8(offset, 0x99);
    const found = await refusal({ answers: { xenforeignmemory_map: () => fakePointer(memory) } });
    expect(found).toEqual({ why: expect.stringMatching(/its page has .* and its file/), maps: 1, unmaps: 1 });
  });

  it('when the function does not answer: all ones prove nothing', async () => {
    const config = Buffer.alloc(4096, 0xff);
    expect(await refusal({ config })).toEqual({ why: 'info: it does not answer', maps: 1, unmaps: 1 });
  });

  it('but a function without extended space is not asked for it', async () => {
    const { pages, page } = await makeHost({ config: sampleConfig(256) });
    page.setUint32(0x100, 0xffffffff, true);
    expect(pages.map(nic)).toBeDefined();
  });

  it('and a virtual function, which has no identity in its config space, has a page', async () => {
    const config = sampleConfig();
    config.writeUInt32LE(0xffffffff, 0);
    const { pages } = await makeHost({ config });
    expect(pages.map(nic)).toBeDefined();
  });
});

describe('loads', () => {
  const memory = new ArrayBuffer(4096);
  const view = new DataView(memory);
  view.setUint32(0x40, 0xfedcba98, true);
  view.setUint32(0x44, 0xffffff7f, true);
  const load = configLoads(memory, 4096);

  it('have the width of the access', () => {
    expect(load(0x40, 4)).toBe(0xfedcba98);
    expect([load(0x40, 2), load(0x42, 2)]).toEqual([0xba98, 0xfedc]);
    expect([0, 1, 2, 3].map((at) => load(0x40 + at, 1))).toEqual([0x98, 0xba, 0xdc, 0xfe]);
  });

  it('of all ones are no answer, in each width', () => {
    expect([load(0x44, 4), load(0x44, 2), load(0x44, 1)]).toEqual([0xffffff7f, 0xff7f, 0x7f]);
    expect([load(0x46, 2), load(0x45, 1)]).toEqual([NOT_ANSWERED, NOT_ANSWERED]);
    view.setUint32(0x48, 0xffffffff, true);
    expect(load(0x48, 4)).toBe(NOT_ANSWERED);
  });

  it('outside of config space, or across registers, are no answer', () => {
    const short = configLoads(memory, 256);
    expect([short(0xfc, 4), short(0xff, 1)]).toEqual([0, 0]);
    expect([short(0x100, 4), short(0xfe, 4), short(-4, 4), short(0x41, 2)]).toEqual(Array(4).fill(NOT_ANSWERED));
  });
});

describe('a function with a page', () => {
  it('tells where it is, and reads from it in every width', async () => {
    const { bus, page } = await makeHost();
    const device = await bus.seize(nic);
    expect(device.configPage).toBe(0x1000n);
    page.setUint32(0x40, 0xfedcba98, true);
    expect(configFile().readUInt32LE(0x40)).toBe(0);
    expect([device.readConfig(0x40, 4), device.readConfig(0x42, 2), device.readConfig(0x43, 1)]).toEqual([
      0xfedcba98, 0xfedc, 0xfe,
    ]);
  });

  it('is asked through its file when nobody answers', async () => {
    const { bus, page } = await makeHost();
    const device = await bus.seize(nic);
    for (let at = 0; at < 64; at += 4) page.setUint32(at, 0xffffffff, true);
    expect([device.readConfig(0, 4), device.readConfig(2, 2), device.readConfig(0x2f, 1)]).toEqual([
      0x10d38086, 0x10d3, 0xa0,
    ]);
  });

  it('is written through its file only', async () => {
    const { bus, page } = await makeHost();
    const device = await bus.seize(nic);
    device.writeConfig(0x40, 2, 0x1234);
    expect(configFile().readUInt16LE(0x40)).toBe(0x1234);
    expect(page.getUint16(0x40, true)).toBe(0);
  });

  it('whose config space is short is not read behind its end', async () => {
    const { bus, page } = await makeHost({ config: sampleConfig(256) });
    const device = await bus.seize(nic);
    page.setUint32(0x100, 0x1234, true);
    expect(() => device.readConfig(0x100, 4)).toThrow(expect.objectContaining({ errno: 5 }));
  });

  it('is read through its file while it is being reset: the kernel knows when it may be asked again', async () => {
    let finish = (): void => undefined;
    const writing = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { bus, page } = await makeHost({ write: () => writing });
    const device = await bus.seize(nic);
    page.setUint32(0x40, 0x1234, true);
    const outcome = device.reset();
    expect(device.readConfig(0x40, 4)).toBe(0);
    finish();
    expect(await outcome).toEqual({ ok: true, method: 'flr' });
    expect(device.readConfig(0x40, 4)).toBe(0x1234);
  });

  it('loses it when it is released, once, and cannot be read any more', async () => {
    const { bus, native, pages } = await makeHost();
    const device = await bus.seize(nic);
    await bus.release(device);
    bus.close();
    pages.close();
    expect(called(native, 'xenforeignmemory_unmap')).toHaveLength(1);
    expect(() => device.readConfig(0, 4)).toThrow(expect.objectContaining({ errno: 19 }));
    const again = await bus.seize(nic);
    expect(again.configPage).toBeUndefined();
  });

  it('loses it when the bus is closed', async () => {
    const { bus, native } = await makeHost();
    await bus.seize(nic);
    bus.close();
    expect(called(native, 'xenforeignmemory_unmap')).toHaveLength(1);
  });

  it('gets none when it cannot be seized', async () => {
    const config = sampleConfig();
    config[0x0e] = 2;
    const { bus, native } = await makeHost({ config });
    await expect(bus.seize(nic)).rejects.toMatchObject({ code: 'DEVICE_HEADER' });
    expect(native.calls).toEqual([]);
  });

  it('without one is read through its file', async () => {
    const { bus } = await makeHost({ iomem: '' });
    const device = await bus.seize(nic);
    expect('configPage' in device).toBe(false);
    expect(device.readConfig(0, 4)).toBe(0x10d38086);
  });
});

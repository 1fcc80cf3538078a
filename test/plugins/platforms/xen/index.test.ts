// SPDX-License-Identifier: MIT

import { execFileSync } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBdf } from '../../../../core/bdf.ts';
import { createXenPlatform, diagnoseXen, type XenPlatformOptions } from '../../../../plugins/platforms/xen/index.ts';
import { controlNames, libxenctrlToolstack } from '../../../../plugins/platforms/xen/libraries.ts';
import { type StoreServer, startStoreServer } from '../../../contract/store-server.ts';
import { mayHurry } from '../../../kit/may-hurry.ts';
import { iomemText, mcfgTable } from './ecam-tables.ts';
import { type Answer, createFakeNative, type FakeNative, fakePointer } from './fake-native.ts';
import { type FakeSysfs, makeSysfs, sampleConfig } from './fake-sysfs.ts';

const place = 'pci0000:00/0000:00:04.0';
let server: StoreServer;
let sysfs: FakeSysfs;
let devices: string;
let eventDevice: number;

beforeEach(async () => {
  server = await startStoreServer();
  sysfs = await makeSysfs([{ place, driver: 'pciback' }]);
  devices = await mkdtemp(join(tmpdir(), 'dev-'));
  for (const name of ['evtchn', 'gntdev', 'privcmd']) await writeFile(join(devices, name), '');
  // A pipe, because a read of it waits until there is an event.
  execFileSync('mkfifo', [join(devices, 'pipe')]);
  eventDevice = openSync(join(devices, 'pipe'), 'r+');
});
afterEach(async () => {
  closeSync(eventDevice);
  await server.close();
  await sysfs.remove();
  await rm(devices, { recursive: true });
});

/** All libraries. Port 2 is bound to port 1, as the platform does to wake its own reader. */
const wholeXen = (more: Record<string, Answer> = {}): FakeNative =>
  createFakeNative({
    xenevtchn_open: () => fakePointer(),
    xenevtchn_close: () => 0,
    xenevtchn_fd: () => eventDevice,
    xenevtchn_bind_unbound_port: () => 1,
    xenevtchn_bind_interdomain: () => 2,
    xenevtchn_notify: () => writeSync(eventDevice, Buffer.from([1, 0, 0, 0])),
    xenevtchn_unmask: () => 0,
    xenevtchn_unbind: () => 0,
    xengnttab_open: () => fakePointer(),
    xengnttab_close: () => 0,
    xengnttab_map_grant_ref: () => null,
    xengnttab_unmap: () => 0,
    xencall_open: () => fakePointer(),
    xencall_close: () => 0,
    xencall2: () => 0,
    xencall_alloc_buffer: () => fakePointer(new ArrayBuffer(8)),
    xencall_free_buffer: () => undefined,
    xenforeignmemory_open: () => fakePointer(),
    xenforeignmemory_close: () => 0,
    xenforeignmemory_map: () => null,
    xenforeignmemory_unmap: () => 0,
    xc_interface_open: () => fakePointer(),
    xc_interface_close: () => 0,
    xc_physdev_map_pirq_msi: () => 0,
    xc_physdev_unmap_pirq: () => 0,
    ...more,
  });

const optionsFor = (native: FakeNative): XenPlatformOptions => ({
  native,
  mode: 'drop-in',
  sysfsRoot: sysfs.root,
  deviceRoot: devices,
  store: { candidates: [server.address] },
  domain: 0,
});

describe('platform xen', () => {
  it('without the devices of Xen is unavailable and says what to do', async () => {
    await rm(join(devices, 'gntdev'));
    await expect(createXenPlatform(optionsFor(wholeXen()))).rejects.toMatchObject({
      code: 'PLATFORM_UNAVAILABLE',
      message: expect.stringContaining('gntdev'),
      solve: expect.stringContaining('--platform embedded'),
    });
  });

  it('without a store is unreachable, and leaves nothing open', async () => {
    const native = wholeXen();
    const store = { candidates: [join(devices, 'none')] };
    await expect(createXenPlatform({ ...optionsFor(native), store })).rejects.toMatchObject({
      code: 'STORE_UNREACHABLE',
    });
    expect(native.calls).toEqual([]);
  });

  it('that fails half-way closes what it opened', async () => {
    const native = wholeXen({
      xengnttab_open: () => {
        native.setErrno(1);
        return null;
      },
    });
    await expect(createXenPlatform(optionsFor(native))).rejects.toMatchObject({ code: 'NO_PRIVILEGE' });
    expect(native.calls.filter((call) => call.includes('_close'))).toEqual([
      'xencall_close handle',
      'xc_interface_close handle',
    ]);
  });

  it('that has all it needs has a store and a bus', async () => {
    server.nodes.set('/local/domain/0/name', 'Domain-0');
    const native = wholeXen();
    const platform = await createXenPlatform(optionsFor(native));
    expect([platform.name, platform.domain]).toEqual(['xen', 0]);
    expect(await platform.xenstore.read('/local/domain/0/name')).toBe('Domain-0');
    const device = await platform.pci.seize(parseBdf('0000:00:04.0'));
    expect(platform.interrupts.linePirq(device)).toBe(11);
    // In drop-in mode this is the kernel's business; the function has no MSI-X, so the call would be refused otherwise.
    platform.interrupts.prepareMsix(device);
    await platform.close();
    expect(native.calls.slice(-5)).toEqual([
      'xenevtchn_close handle',
      'xengnttab_close handle',
      'xencall_free_buffer handle handle',
      'xencall_close handle',
      'xc_interface_close handle',
    ]);
    expect(() => device.readConfig(0, 4)).toThrow(expect.objectContaining({ errno: 19 }));
    await expect(platform.xenstore.read('/')).rejects.toMatchObject({ code: 'STORE_LOST' });
  });

  it('unmaps config space after the last thread that reads it has ended', async () => {
    await mkdir(join(sysfs.root, 'firmware/acpi/tables'), { recursive: true });
    await writeFile(join(sysfs.root, 'firmware/acpi/tables/MCFG'), mcfgTable());
    await writeFile(join(devices, 'iomem'), iomemText);
    const memory = new ArrayBuffer(4096);
    new Uint8Array(memory).set(sampleConfig());
    const native = wholeXen({ xenforeignmemory_map: () => fakePointer(memory) });
    const options = { ...optionsFor(native), iomem: join(devices, 'iomem') };

    const platform = await createXenPlatform({ ...options, configPages: true });
    expect((await platform.pci.seize(parseBdf('0000:00:04.0'))).configPage).toBe(0x1000n);
    await platform.close();
    const order = ['xenevtchn_close', 'xenforeignmemory_unmap', 'xenforeignmemory_close', 'xengnttab_close'];
    expect(native.calls.map((call) => call.split(' ')[0]).filter((name) => order.includes(name ?? ''))).toEqual(order);

    const without = await createXenPlatform({ ...options, configPages: false });
    expect((await without.pci.seize(parseBdf('0000:00:04.0'))).configPage).toBeUndefined();
    await without.close();
  });

  it('in stand-alone mode leaves alone what the kernel module holds', async () => {
    const toolstack = Object.fromEntries(
      Object.keys(libxenctrlToolstack([]).functions).map((name): [string, Answer] => [name, () => 0]),
    );
    const native = wholeXen({ ...toolstack, xc_interface_open: () => fakePointer() });
    const platform = await createXenPlatform({
      ...optionsFor(native),
      mode: 'stand-alone',
      notes: join(devices, 'notes'),
    });
    await expect(platform.pci.seize(parseBdf('0000:00:04.0'))).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZABLE',
      solve: expect.stringContaining('drop-in'),
    });
    await platform.close();
  });
});

describe.skipIf(!mayHurry)('precedence over other programs', () => {
  it('ends with the platform, and is not taken unasked', async () => {
    const before = getPriority();
    const plain = await createXenPlatform(optionsFor(wholeXen()));
    expect(getPriority()).toBe(before);
    await plain.close();
    const platform = await createXenPlatform({ ...optionsFor(wholeXen()), precedence: 'full' });
    expect(getPriority()).toBe(Math.min(before, -7));
    await platform.close();
    expect(getPriority()).toBe(before);
  });

  it('ends when the platform cannot be made', async () => {
    const before = getPriority();
    const store = { candidates: [join(devices, 'none')] };
    const options = { ...optionsFor(wholeXen()), store, precedence: 'full' } as const;
    await expect(createXenPlatform(options)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    expect(getPriority()).toBe(before);
  });
});

describe('the names of libxenctrl', () => {
  it('are the running release, then what is installed, newest first', async () => {
    for (const name of ['libxenctrl.so.4.9', 'libxenctrl.so.4.17', 'libxenctrl.so.4.17.0', 'libxenctrl.a']) {
      await writeFile(join(devices, name), '');
    }
    const folders = [devices, join(devices, 'nowhere')];
    expect(controlNames(undefined, folders)).toEqual(['libxenctrl.so.4.17', 'libxenctrl.so.4.9', 'libxenctrl.so']);
    expect(controlNames('4.9', folders)).toEqual(['libxenctrl.so.4.9', 'libxenctrl.so.4.17', 'libxenctrl.so']);
    expect(controlNames('4.20', [])).toEqual(['libxenctrl.so.4.20', 'libxenctrl.so']);
  });
});

describe('the diagnosis', () => {
  const store = () => ({ candidates: [server.address] });
  const find = (findings: Awaited<ReturnType<typeof diagnoseXen>>, what: string) =>
    findings.find((finding) => finding.what === what);

  it('of a machine without Xen finds what is missing, each with the next step', async () => {
    const root = await mkdtemp(join(tmpdir(), 'plain-'));
    const missing = { candidates: [join(root, 'none')] };
    const create = () => Promise.reject(new Error('not built'));
    const findings = await diagnoseXen({ root, store: missing, user: 1000, loaders: [{ name: 'koffi', create }] });
    for (const what of [
      'root',
      'hypervisor',
      '/proc/xen',
      'xenstore',
      '/dev/xen/evtchn',
      'native koffi',
      'xen-pciback',
    ]) {
      expect(find(findings, what), what).toMatchObject({ ok: false, next: expect.stringMatching(/./) });
    }
    for (const { ok, next } of findings) expect(ok || next !== undefined).toBe(true);
    // Reads go through files then, which is no fault.
    expect(find(findings, 'config pages')).toMatchObject({ ok: true, detail: expect.stringMatching(/^none, .*MCFG/) });
    await rm(root, { recursive: true });
  });

  it('of a machine with Xen finds it', async () => {
    const root = await mkdtemp(join(tmpdir(), 'xen-'));
    const files: Record<string, string | Buffer> = {
      'sys/firmware/acpi/tables/MCFG': mcfgTable(),
      'proc/iomem': iomemText,
      'sys/hypervisor/type': 'xen\n',
      'proc/xen/capabilities': 'control_d\n',
      'dev/xen/evtchn': '',
      'dev/xen/gntdev': '',
      'dev/xen/privcmd': '',
      'dev/xen/xenbus': '',
      'sys/bus/xen-backend/drivers_autoprobe': '0\n',
      'sys/bus/pci/drivers/pciback/0000:00:04.0': '',
    };
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(root, path, '..'), { recursive: true });
      await writeFile(join(root, path), content);
    }
    const loaders = [
      { name: 'koffi', create: async () => wholeXen() },
      { name: 'ffi-napi', create: () => Promise.reject(new Error('not built')) },
    ];
    const findings = await diagnoseXen({ root, store: store(), user: 0, loaders });
    expect(findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(find(findings, 'seizable devices')?.detail).toBe('0000:00:04.0');
    expect(find(findings, 'config pages')?.detail).toBe('mapped where the hypervisor agrees: 0000 [bus 00-ff]');
    await rm(root, { recursive: true });
  });

  it.each([
    ['PVH', false],
    ['PV', true],
  ])('of stand-alone mode in a %s dom0 asks for no module', async (type, ok) => {
    const root = await mkdtemp(join(tmpdir(), 'xen-'));
    await mkdir(join(root, 'sys/hypervisor'), { recursive: true });
    await writeFile(join(root, 'sys/hypervisor/guest_type'), `${type}\n`);
    const findings = await diagnoseXen({ root, mode: 'stand-alone', store: store(), user: 0 });
    expect(find(findings, 'stand-alone mode')?.ok).toBe(ok);
    expect(find(findings, 'xen-pciback')).toBe(undefined);
    await rm(root, { recursive: true });
  });

  it('knows that serve keeps the kernel from new guests', async () => {
    const root = await mkdtemp(join(tmpdir(), 'xen-'));
    await mkdir(join(root, 'sys/bus/xen-backend/drivers/xen-pciback'), { recursive: true });
    await writeFile(join(root, 'sys/bus/xen-backend/drivers_autoprobe'), '1\n');
    expect(find(await diagnoseXen({ root, store: store(), user: 0 }), 'kernel back end')).toMatchObject({
      ok: true,
      detail: expect.stringContaining('switches it off while it runs'),
    });
    await rm(root, { recursive: true });
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { Command, Verdict } from '../../../../core/ring/layout.ts';
import { createEmbeddedPlatform, sample, samples, XenbusState } from '../../../../plugins/platforms/embedded/index.ts';
import { createManualClock } from '../../../kit/manual-clock.ts';
import { serve } from './tiny-backend.ts';

const { connected, closed } = XenbusState;
const at = (...names: Parameters<typeof sample>[0][]) => names.map((name) => sample(name).bdf);
const turns = async (count = 20) => {
  for (let i = 0; i < count; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
};

describe('the included guest', () => {
  it('finds its devices, sizes their BARs, and its drivers get MSI-X, MSI or the line', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const { domain } = await serve(xen, at('e1000e', 'nvme', 'tg3', 'rtl8139'));
    const guest = await xen.startGuest({ domain });
    const report = await guest.reached(connected);

    expect(report.roots).toEqual([{ segment: 0, bus: 0 }]);
    expect(report.devices.map(({ vdev, vendor, device }) => [vdev, vendor, device])).toEqual([
      ['0000:00:00.0', 0x8086, 0x10d3],
      ['0000:00:01.0', 0x144d, 0xa808],
      ['0000:00:02.0', 0x14e4, 0x1659],
      ['0000:00:03.0', 0x10ec, 0x8139],
    ]);
    const [e1000e, nvme, tg3, rtl8139] = report.devices;
    expect(e1000e?.bars).toEqual([
      { index: 0, kind: 'memory32', start: 0xf7d00000, size: 0x20000, prefetchable: false },
      { index: 1, kind: 'memory32', start: 0xf7c80000, size: 0x80000, prefetchable: false },
      { index: 2, kind: 'io', start: 0xe000, size: 0x20, prefetchable: false },
      { index: 3, kind: 'memory32', start: 0xf7d20000, size: 0x4000, prefetchable: false },
      { index: 6, kind: 'rom', start: 0xf7c40000, size: 0x40000, prefetchable: false },
    ]);
    expect(nvme?.bars).toEqual([{ index: 0, kind: 'memory64', start: 0xf7900000, size: 0x4000, prefetchable: false }]);
    expect(e1000e?.capabilities.map((one) => one.offset)).toEqual([0xc8, 0xd0, 0xe0, 0xa0]);
    expect(e1000e?.extended).toEqual([
      { id: 1, offset: 0x100 },
      { id: 3, offset: 0x140 },
    ]);
    expect(e1000e?.driver).toMatchObject({ interrupts: 'msix' });
    expect(new Set(e1000e?.driver?.vectors).size).toBe(3);
    expect(tg3?.driver).toMatchObject({ interrupts: 'msi' });
    expect(tg3?.driver?.writes.find((one) => one.offset === 0x78)).toMatchObject({ err: 0, readBack: 0x6800 });
    expect(rtl8139?.driver).toMatchObject({ interrupts: 'line', vectors: [19] });
    expect(xen.hypervisor.ledger().pirqs.filter((one) => one.kind === 'msix')).toHaveLength(6);
    expect(xen.hypervisor.ledger().illegal).toEqual([]);
    expect(report.requests.conf_read).toBeGreaterThan(256);
    expect(report.requests.enable_msix).toBe(2);
  });

  it('goes to Closed when it stops, and nothing of it is left', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const { domain } = await serve(xen, at('e1000e'));
    const guest = await xen.startGuest({ domain });
    await guest.reached(connected);
    await guest.stop();
    expect(guest.report()).toMatchObject({ state: closed, devices: [] });
    expect(xen.pci.model(sample('e1000e').bdf).peek(4, 2) & 4).toBe(0);
    await xen.toolstack.destroy(domain);
    expect(xen.hypervisor.ledger()).toMatchObject({ domains: [0], mapped: [], bound: [], pirqs: [], assigned: [] });
    expect(xen.store.dump('/local/domain')).not.toContainEqual(expect.stringContaining(`/${domain}`));
    expect(xen.store.dump('/libxl/pci').join()).not.toContain('domid =');
  });

  it('takes devices in and gives them back while it runs', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const [e1000e, nvme, tg3] = at('e1000e', 'nvme', 'tg3');
    if (e1000e === undefined || nvme === undefined || tg3 === undefined) throw new Error('samples');
    const { domain } = await serve(xen, [e1000e, nvme, tg3], 1);
    const guest = await xen.startGuest({ domain });
    await guest.reached(connected);
    await xen.toolstack.attach(domain, nvme);
    await xen.toolstack.attach(domain, tg3);
    expect(guest.report().devices.map((one) => one.vendor)).toEqual([0x8086, 0x144d, 0x14e4]);
    await xen.toolstack.detach(domain, nvme);
    expect(guest.report().devices.map((one) => one.vendor)).toEqual([0x8086, 0x14e4]);
    expect(await xen.toolstack.devices(domain)).toEqual([e1000e, tg3]);
    const back = `/local/domain/0/backend/pci/${domain}/0`;
    expect(await xen.xenstore.read(`${back}/num_devs`)).toBe('2');
    expect(await xen.xenstore.read(`${back}/vdev-1`)).toBe('0000:00:02.00');
    expect(await xen.xenstore.read(`${back}/state-2`)).toBeUndefined();
    expect(xen.hypervisor.ledger().assigned).toHaveLength(2);
    await xen.toolstack.detach(domain, tg3);
    await xen.toolstack.detach(domain, e1000e);
    expect(await xen.xenstore.read(`${back}/state`)).toBeUndefined();
    await turns();
    expect(guest.report()).toMatchObject({ state: XenbusState.unknown, devices: [] });
  });

  it('closes when the back end does', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const { domain } = await serve(xen, at('nvme'));
    const guest = await xen.startGuest({ domain });
    await guest.reached(connected);
    await xen.toolstack.destroy(domain);
    expect(guest.report()).toMatchObject({ state: closed, devices: [] });
  });

  it('gives a request up after its poll returns late, clears the flag itself, and sends the next one', async () => {
    const clock = createManualClock();
    const xen = createEmbeddedPlatform({ devices: samples(), clock });
    const { domain, backend } = await serve(xen, at('nvme'));
    const guest = await xen.startGuest({ domain, driver: 'none' });
    await guest.reached(connected);
    expect(clock.pending()).toBe(0);
    backend.answering = false;
    const read = { cmd: Command.confRead, size: 4 };
    const flag = () => Atomics.load(new Int32Array(guest.page() ?? new SharedArrayBuffer(4)), 0) & 1;
    const lost = guest.request(read);
    await turns();
    clock.advance(2999);
    expect(flag()).toBe(1);
    clock.advance(1);
    expect(await lost).toMatchObject({ err: -1, timedOut: true });
    expect(flag()).toBe(0);
    backend.answering = true;
    expect(await guest.request(read)).toMatchObject({ err: 0, value: 0xa808144d, timedOut: false });
    expect(clock.pending()).toBe(0);
  });

  it('sends hostile numbers as they are', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const { domain } = await serve(xen, at('nvme'));
    const guest = await xen.startGuest({ domain, driver: 'none' });
    await guest.reached(connected);
    expect(await guest.request({ cmd: 0, offset: -4096, size: 4 })).toMatchObject({ err: -5 });
    expect(xen.hypervisor.ledger().illegal).toEqual([expect.stringContaining('offset -4096')]);
    expect(await guest.request({ cmd: 99 })).toMatchObject({ err: -4 });
    expect(await guest.request({ cmd: 0, devfn: 0x100, size: 4 })).toMatchObject({ err: -1 });
    const words = new Int32Array(guest.page() ?? new SharedArrayBuffer(4096));
    expect(words[5]).toBe(0x100);
  });

  it('answers error requests by its drivers, and with "none" where there is none', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const { domain, backend } = await serve(xen, at('nvme'));
    const guest = await xen.startGuest({ domain, aer: ({ cmd }) => (cmd === 8 ? 'silent' : Verdict.needReset) });
    await guest.reached(connected);
    backend.requestAer(Command.aerDetected, 2);
    await turns();
    expect(backend.aerAnswer()).toBe(Verdict.needReset);
    backend.requestAer(Command.aerDetected, 2, 5);
    await turns();
    expect(backend.aerAnswer()).toBe(Verdict.none);
    backend.requestAer(Command.aerMmio, 1);
    await turns();
    expect(backend.aerAnswer()).toBeUndefined();
    expect(guest.report().aer.map((one) => [one.cmd, one.state, one.devfn])).toEqual([
      [6, 2, 0],
      [6, 2, 40],
      [8, 1, 0],
    ]);
  });

  it('may crash without a word; the toolstack ends it', async () => {
    const clock = createManualClock();
    const xen = createEmbeddedPlatform({ devices: samples(), clock });
    const { domain } = await serve(xen, at('nvme'));
    const guest = await xen.startGuest({ domain });
    await guest.reached(connected);
    guest.crash();
    await expect(guest.request({ cmd: 0 })).rejects.toThrow(`guest ${domain} has ended`);
    const gone = xen.toolstack.destroy(domain);
    await turns();
    expect(xen.hypervisor.exists(domain)).toBe(true);
    clock.advance(10_000);
    await gone;
    await turns();
    expect(xen.hypervisor.ledger()).toMatchObject({ domains: [0], mapped: [], bound: [], pirqs: [], assigned: [] });
  });
});

describe('the toolstack', () => {
  it('refuses devices that are not seized or in use, and leaves nothing', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const [nvme] = at('nvme');
    if (nvme === undefined) throw new Error('samples');
    await expect(xen.toolstack.create({ devices: [nvme] })).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZED' });
    expect(xen.hypervisor.ledger().domains).toEqual([0]);
    await xen.pci.seize(nvme);
    await xen.toolstack.create({ devices: [nvme] });
    await expect(xen.toolstack.create({ devices: [nvme] })).rejects.toMatchObject({ code: 'DEVICE_IN_USE' });
    expect(xen.hypervisor.ledger()).toMatchObject({ domains: [0, 2], assigned: [{ domain: 2, bdf: '0000:03:00.0' }] });
  });

  it('writes the nodes that the specification names', async () => {
    const xen = createEmbeddedPlatform({ devices: samples() });
    const [nvme, tg3] = at('nvme', 'tg3');
    if (nvme === undefined || tg3 === undefined) throw new Error('samples');
    await xen.pci.seize(nvme);
    await xen.pci.seize(tg3);
    await xen.toolstack.create({ domain: 7, name: 'red', devices: [nvme, tg3] });
    const back = '/local/domain/0/backend/pci/7/0';
    expect(xen.store.dump(back)).toEqual([
      `${back}/frontend = /local/domain/7/device/pci/0`,
      `${back}/frontend-id = 7`,
      `${back}/online = 1`,
      `${back}/state = 1`,
      `${back}/domain = red`,
      `${back}/key-0 = 0000:03:00.0`,
      `${back}/dev-0 = 0000:03:00.0`,
      `${back}/opts-0 = msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict`,
      `${back}/state-0 = 1`,
      `${back}/num_devs = 2`,
      `${back}/key-1 = 0000:04:00.0`,
      `${back}/dev-1 = 0000:04:00.0`,
      `${back}/opts-1 = msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict`,
      `${back}/state-1 = 1`,
    ]);
    expect(await xen.xenstore.read('/libxl/pci/0000-03-00-0/domid')).toBe('7');
  });
});

describe('many guests', () => {
  it('256 of them fit into one process, and idle they cost nothing', async () => {
    const clock = createManualClock();
    const xen = createEmbeddedPlatform({
      devices: Array.from({ length: 256 }, (_, index) => ({ ...sample('tg3'), bdf: (0x10000 + index * 8) as never })),
      clock,
    });
    const guests = await Promise.all(
      xen.pci.models().map(async (model) => {
        const { domain } = await serve(xen, [model.bdf]);
        return xen.startGuest({ domain });
      }),
    );
    const reports = await Promise.all(guests.map((one) => one.reached(connected)));
    expect(reports.every((one) => one.devices[0]?.driver?.interrupts === 'msi')).toBe(true);
    await turns();
    const before = xen.hypervisor.delivered;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(xen.hypervisor.delivered).toBe(before);
    expect(clock.pending()).toBe(0);
  });
});

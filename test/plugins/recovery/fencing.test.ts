// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { type Bdf, bdf } from '../../../core/bdf.ts';
import type { StoreView } from '../../../core/platform/index.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { Command, Status, Verdict } from '../../../core/ring/layout.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import type { RcFile } from '../../../plugins/program/config.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { createManualClock } from '../../kit/manual-clock.ts';

/** Below the root port, a virtual one more beside it, and a function of the root complex without a port. */
const nic = bdf(0, 1, 0);
const secondNic = bdf(0, 1, 1);
const disk = bdf(0, 3, 0);

let host: EmbeddedHost;
afterEach(() => host.close());

const fencedSeen: string[] = [];
const observer = definePlugin({
  name: 'test/observer',
  api: '^1.0',
  apply: ({ hooks }) => {
    hooks.deviceFenced.tap((_device, guest, reason) => {
      fencedSeen.push(`${guest.domain} ${reason}`);
    });
  },
});

const start = async (config: RcFile = {}) => {
  fencedSeen.length = 0;
  const clock = createManualClock();
  const devices = [sample('root-port'), sample('e1000e'), { ...sample('e1000e'), bdf: secondNic }, sample('nvme')];
  host = await startEmbeddedHost({ clock, devices, plugins: [observer], config: { shutdownSeconds: 0, ...config } });
  return clock;
};

const until = async (what: string, test: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 2000; turn++) {
    if (test()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never: ${what}`);
};

const assignmentOf = (address: Bdf) => host.pciback.stub.devices.find((one) => one.bdf === address)?.assignment;
const hardware = (address: Bdf, offset: number, size: 2 | 4) => host.platform.pci.model(address).peek(offset, size);
const aerState = (domain: number) => host.platform.xenstore.read(`/local/domain/0/backend/pci/${domain}/0/aerState`);

describe('a guest that never answers (S-5, S-6)', () => {
  it('is fenced at its deadline, not before, while others are plugged and unplugged (D-I5)', async () => {
    const clock = await start({ errors: { deadlineSeconds: 20 } });
    const silentGuest = await host.guest([nic, secondNic], { aer: () => 'silent' });
    await silentGuest.reached(4);
    const other = await host.guest([], { name: 'other' });
    const recovery = host.platform.errors.inject(nic, 'nonfatal');
    await until('asked', () => silentGuest.report().aer.length === 1);
    clock.advance(19_999);

    await host.pciback.stub.seize(disk);
    await host.platform.toolstack.attach(other.domain, disk);
    expect((await other.reached(4)).devices).toHaveLength(1);
    await host.platform.toolstack.detach(other.domain, disk);
    expect(assignmentOf(disk)).toBeUndefined();
    expect([assignmentOf(nic)?.fenced, assignmentOf(secondNic)?.fenced]).toEqual([undefined, undefined]);

    clock.advance(1);
    expect((await recovery).outcome).toBe('failed');
    expect([assignmentOf(nic)?.fenced, assignmentOf(secondNic)?.fenced]).toEqual(['no answer', 'no answer']);
    expect(silentGuest.report().aer).toHaveLength(1);
  });

  it('loses bus master and interrupts, not decode (XSA-120); its requests fail; the store and the hooks know', async () => {
    const clock = await start();
    const guest = await host.guest([nic], { aer: () => 'silent' });
    await guest.reached(4);
    await host.pciback.stub.seize(secondNic);
    expect(host.pciback.ledger().pirqs).toBeGreaterThan(0);
    const recovery = host.platform.errors.inject(nic, 'nonfatal');
    await until('asked', () => guest.report().aer.length === 1);
    expect(await aerState(guest.domain)).toBeUndefined();
    clock.advance(60_000);
    await recovery;

    expect(hardware(nic, 0x04, 2) & 0x0407).toBe(0x0402 | (hardware(nic, 0x04, 2) & 0x1));
    // The line's PIRQ is the toolstack's.
    expect(host.platform.hypervisor.ledger().pirqs.filter(({ kind }) => kind !== 'line')).toEqual([]);
    const answer = await guest.request({ cmd: Command.confRead, offset: 0, size: 4 });
    expect(answer.err).toBe(Status.opFailed);
    const write = await guest.request({ cmd: Command.confWrite, offset: 4, size: 2, value: 6 });
    expect([write.err, hardware(nic, 0x04, 2) & 0x4]).toEqual([Status.opFailed, 0]);
    expect((await guest.request({ cmd: Command.enableMsix, value: 1, entries: [0] })).err).toBe(Status.opFailed);
    expect(await aerState(guest.domain)).toBe('aerfail');
    expect(fencedSeen).toEqual([`${guest.domain} no answer`]);
  });

  it('stays cut off when a reset that it had asked for ends after the fence', async () => {
    const clock = await start();
    const guest = await host.guest([disk], { driver: 'none' });
    await guest.reached(4);
    const model = host.platform.pci.model(disk);
    const original = model.reset.bind(model);
    let started = false;
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    model.reset = async () => {
      started = true;
      await gate;
      return original();
    };
    const control = (model.capability(0x10) ?? 0) + 0x08;
    const written = guest.request({ cmd: Command.confWrite, offset: control, size: 2, value: 0x8000 });
    await until('reset', () => started);
    // A front end that waits for a request answers no question.
    const recovery = host.platform.errors.inject(disk, 'nonfatal');
    await until('asked', () => (new Int32Array(guest.page() ?? new ArrayBuffer(4))[0] ?? 0) >= 4);
    clock.advance(60_000);
    await recovery;
    expect(fencedSeen).toEqual([`${guest.domain} no answer`]);
    expect((await written).timedOut).toBe(true);
    const { resets } = model.counters;
    model.reset = original;
    finish();
    await until('reset again', () => model.counters.resets > resets);
    expect((await guest.request({ cmd: Command.confRead, offset: 0, size: 4 })).err).toBe(Status.opFailed);
    expect(hardware(disk, 0x04, 2) & 0x0404).toBe(0x0400);
  });

  it('gives the device back clean, and the next guest can use it', async () => {
    const clock = await start();
    const guest = await host.guest([disk], { aer: () => 'silent' });
    await guest.reached(4);
    const recovery = host.platform.errors.inject(disk, 'fatal');
    await until('asked', () => guest.report().aer.length === 1);
    clock.advance(60_000);
    await recovery;
    expect(assignmentOf(disk)?.fenced).toBe('no answer');
    await guest.stop();
    await host.platform.toolstack.destroy(guest.domain);
    const next = await host.guest([disk]);
    const { devices } = await next.reached(4);
    expect(devices[0]?.driver?.interrupts).toBe('msix');
    expect(assignmentOf(disk)?.fenced).toBeUndefined();
  });

  it('a device that is taken away meanwhile is nobody’s concern any more', async () => {
    const clock = await start();
    const guest = await host.guest([disk], { aer: () => 'silent' });
    await guest.reached(4);
    const recovery = host.platform.errors.inject(disk, 'nonfatal');
    await until('asked', () => guest.report().aer.length === 1);
    await host.platform.toolstack.detach(guest.domain, disk);
    clock.advance(60_000);
    await recovery;
    expect(fencedSeen).toEqual([]);
  });
});

describe('guests that cannot be asked', () => {
  it('without a front end (HVM): fenced at once', async () => {
    await start();
    await host.pciback.stub.seize(disk);
    const domain = await host.platform.toolstack.create({ devices: [disk] });
    await until('assigned', () => assignmentOf(disk) !== undefined);
    await host.platform.errors.inject(disk, 'nonfatal');
    expect(fencedSeen).toEqual([`${domain} no ring`]);
    expect(await aerState(domain)).toBe('aerfail');
  });

  it('a store that refuses transactions gets no key outside of one (seed 402c5e15b4)', async () => {
    await start();
    await host.pciback.stub.seize(disk);
    const domain = await host.platform.toolstack.create({ devices: [disk] });
    await until('assigned', () => assignmentOf(disk) !== undefined);
    const { xenstore } = host.platform;
    const original = xenstore.transaction.bind(xenstore);
    xenstore.transaction = async <T>(_: (view: StoreView) => Promise<T>): Promise<T> => {
      throw new Error('no transaction today');
    };
    await host.platform.errors.inject(disk, 'nonfatal');
    xenstore.transaction = original;
    expect(await aerState(domain)).toBeUndefined();
    expect(assignmentOf(disk)?.fenced).toBe('no ring');
    expect(host.lines.some((line) => line.message === 'aerState not written')).toBe(true);
  });
});

describe('guests that answer', () => {
  it('non-fatal: asked twice, resumed, nothing reset; the registers show the error until it is over', async () => {
    await start();
    const seen: number[] = [];
    const guest = await host.guest([disk], {
      aer: ({ cmd }) => {
        seen.push(hardware(disk, 0x104, 4));
        return cmd === Command.aerDetected ? Verdict.canRecover : Verdict.recovered;
      },
    });
    await guest.reached(4);
    const { resets } = host.platform.pci.model(disk).counters;
    const report = await host.platform.errors.inject(disk, 'nonfatal');
    expect(report.outcome).toBe('recovered');
    expect(guest.report().aer.map(({ cmd, state }) => [cmd, state])).toEqual([
      [6, 1],
      [8, 1],
      [7, 1],
    ]);
    expect(guest.report().aer[0]).toMatchObject({ domain: 0, bus: 0, devfn: 0 });
    expect(host.platform.pci.model(disk).counters.resets).toBe(resets);
    expect([seen[0], hardware(disk, 0x104, 4)]).toEqual([0x4000, 0]);
    expect(fencedSeen).toEqual([]);
  });

  it('fatal: the link is reset, registers and interrupts come back, two guests under one port go on', async () => {
    await start();
    const wantReset = { aer: ({ cmd }: { cmd: number }) => (cmd === 6 ? Verdict.needReset : Verdict.recovered) };
    const one = await host.guest([nic], wantReset);
    const two = await host.guest([secondNic], { ...wantReset, name: 'two' });
    await one.reached(4);
    await two.reached(4);
    const before = [nic, secondNic].map((address) => hardware(address, 0x10, 4));
    const report = await host.platform.errors.inject(nic, 'fatal');
    expect(report.outcome).toBe('recovered');
    for (const guest of [one, two]) expect(guest.report().aer.map(({ cmd }) => cmd)).toEqual([6, 9, 7]);
    expect([nic, secondNic].map((address) => hardware(address, 0x10, 4))).toEqual(before);
    const msix = host.platform.pci.model(nic).capability(0x11) ?? 0;
    expect(hardware(nic, msix + 2, 2) & 0x8000).toBe(0x8000);
    expect((await one.request({ cmd: Command.confRead, offset: 0, size: 4 })).err).toBe(Status.success);
  });

  it('fatal, heard of after the reset, as on a real host: what the guest began with is put back, and its messages', async () => {
    await start();
    const guest = await host.guest([nic], {
      aer: ({ cmd }) => (cmd === 6 ? Verdict.needReset : Verdict.recovered),
    });
    await guest.reached(4);
    await host.pciback.stub.seize(secondNic);
    const model = host.platform.pci.model(nic);
    const [msix, express] = [model.capability(0x11) ?? 0, model.capability(0x10) ?? 0];
    const bars = () => [0x10, 0x14, 0x18, 0x1c, 0x30].map((offset) => hardware(nic, offset, 4));
    // Not the cache line size: the guest set it since, as its driver does again.
    const controls = () => [express + 0x08, express + 0x10, 0x3c].map((offset) => hardware(nic, offset, 2));
    const before = { bars: bars(), controls: controls(), pirqs: host.platform.hypervisor.ledger().pirqs };
    model.hotReset();
    expect(bars()).not.toEqual(before.bars);
    expect(hardware(nic, msix + 2, 2) & 0x8000).toBe(0);
    const calls = host.platform.hypervisor.trace.length;
    expect((await host.platform.errors.inject(nic, 'fatal')).outcome).toBe('recovered');
    expect(guest.report().aer.map(({ cmd, state }) => [cmd, state])).toEqual([
      [6, 2],
      [9, 1],
      [7, 1],
    ]);
    expect({ bars: bars(), controls: controls(), pirqs: host.platform.hypervisor.ledger().pirqs }).toEqual(before);
    // MSI-X is on and no vector masked; nothing was mapped anew, the hypervisor wrote the messages it has.
    expect(hardware(nic, msix + 2, 2) & 0xc000).toBe(0x8000);
    const asked = host.platform.hypervisor.trace.slice(calls);
    expect(asked.filter((line) => /msi|pirq/.test(line))).toEqual([
      'restore_msi 0000:01:00.0',
      'restore_msi 0000:01:00.0',
    ]);
  });

  it('a link that stays down: all are told that it is over, and fenced', async () => {
    await start();
    const guest = await host.guest([disk], { aer: () => Verdict.needReset });
    await guest.reached(4);
    host.platform.pci.model(disk).failNext('reset');
    const report = await host.platform.errors.inject(disk, 'fatal');
    expect(report.outcome).toBe('failed');
    expect(guest.report().aer.map(({ cmd, state }) => [cmd, state])).toEqual([
      [6, 2],
      [6, 3],
    ]);
    expect(fencedSeen).toEqual([`${guest.domain} host gave up`]);
  });

  it('fatal: a function under the port that no guest has keeps its BARs for the next guest, and stays off', async () => {
    await start();
    const guest = await host.guest([nic]);
    await guest.reached(4);
    await host.pciback.stub.seize(secondNic);
    const before = host.platform.pci.model(secondNic).snapshot();
    expect((await host.platform.errors.inject(nic, 'fatal')).outcome).toBe('recovered');
    expect(host.platform.pci.model(secondNic).snapshot()).toEqual(before);
    const next = await host.guest([secondNic], { name: 'next' });
    expect((await next.reached(4)).devices[0]?.driver?.interrupts).toBe('msix');
  });

  it('fatal: a device that is fenced keeps decode, and stays cut off, over the reset of its link (XSA-120)', async () => {
    await start();
    const guest = await host.guest([nic], { aer: ({ cmd }) => (cmd === 6 ? Verdict.disconnect : Verdict.recovered) });
    await guest.reached(4);
    const before = hardware(nic, 0x10, 4);
    await host.platform.errors.inject(nic, 'fatal');
    expect(fencedSeen).toEqual([`${guest.domain} guest gave up`]);
    expect(hardware(nic, 0x10, 4)).toBe(before);
    expect(hardware(nic, 0x04, 2) & 0x0406).toBe(0x0402);
  });

  it.each([Verdict.disconnect, Verdict.none, 0, 7, 0xffff])('verdict %i: fenced', async (verdict) => {
    await start();
    const guest = await host.guest([disk], { aer: () => verdict });
    await guest.reached(4);
    await host.platform.errors.inject(disk, 'nonfatal');
    expect(fencedSeen).toEqual([`${guest.domain} guest gave up`]);
  });

  it('a correctable error is nobody’s business', async () => {
    await start();
    const guest = await host.guest([disk]);
    await guest.reached(4);
    expect(await host.platform.errors.inject(disk, 'correctable')).toEqual({ outcome: 'corrected', steps: [] });
    expect([guest.report().aer, hardware(disk, 0x110, 4)]).toEqual([[], 1]);
  });
});

describe('what follows', () => {
  it('destroy: the guest is ended, and nothing of it is left', async () => {
    await start({ errors: { onFailure: 'destroy' } });
    const guest = await host.guest([disk], { aer: () => Verdict.disconnect });
    await guest.reached(4);
    await host.platform.errors.inject(disk, 'nonfatal');
    await until('ended', () => !host.platform.hypervisor.exists(guest.domain));
    expect(host.pciback.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
  });

  it('what the platform cannot do is refused at the start', async () => {
    await start();
    const refused = startEmbeddedHost({ devices: [sample('nvme')], config: { errors: { onFailure: 'pause' } } });
    await expect(refused).rejects.toMatchObject({
      code: 'FENCE_UNSUPPORTED',
      message: expect.stringContaining('cannot pause guests'),
    });
  });

  it('a guest that closes its end while it is waited for: the wait ends with it (D-P4)', async () => {
    await start();
    const guest = await host.guest([disk], { aer: () => 'silent' });
    await guest.reached(4);
    const recovery = host.platform.errors.inject(disk, 'nonfatal');
    await until('asked', () => guest.report().aer.length === 1);
    await guest.stop();
    await recovery;
    await host.platform.toolstack.destroy(guest.domain);
    expect(host.pciback.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
  });
});

// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { type Bdf, formatBdf, parseBdf } from '../../core/bdf.ts';
import { definePlugin } from '../../core/plugin/definition.ts';
import { Command, Status } from '../../core/ring/layout.ts';
import { realClock } from '../../plugins/platforms/embedded/clock.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../kit/embedded-host.ts';

const connected = 4;
const closed = 6;

let host: EmbeddedHost;
const start = async (options?: EmbeddedHostOptions): Promise<EmbeddedHost> => {
  host = await startEmbeddedHost(options);
  return host;
};
afterEach(async () => {
  await host.close();
  // Every test ends with nothing held and no call a real host would not have survived.
  const ledger = host.platform.hypervisor.ledger();
  expect(ledger.illegal).toEqual([]);
  // The toolstack's own mapping of the line stays until it destroys the domain.
  expect(ledger.pirqs.filter((one) => one.kind !== 'line')).toEqual([]);
});

/** Address of the sample with these ids. */
const sampleBdf = async (vendor: number, device: number): Promise<Bdf> => {
  const found = (await host.platform.pci.list()).find((one) => one.vendor === vendor && one.device === device);
  if (found === undefined) throw new Error(`no sample ${vendor}:${device}`);
  return found.bdf;
};

const e1000e = () => sampleBdf(0x8086, 0x10d3);
const tg3 = () => sampleBdf(0x14e4, 0x1659);
const back = (domain: number, key: string) =>
  host.platform.xenstore.read(`/local/domain/0/backend/pci/${domain}/0/${key}`);

/** Resolves when the log has such a line. */
const logged = async (message: string, count = 1): Promise<void> => {
  for (let i = 0; i < 500; i++) {
    if (host.lines.filter((line) => line.message === message).length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never logged "${message}": ${host.lines.map((line) => line.message).join(', ')}`);
};

describe('one guest, the whole way', () => {
  it('attaches, scans, drives the device with MSI-X and gives everything back', async () => {
    await start();
    const nic = await e1000e();
    const guest = await host.guest([nic]);
    const report = await guest.reached(connected);
    expect(report.devices.map((device) => device.vdev)).toEqual(['0000:00:00.0']);
    expect(report.devices[0]?.driver?.interrupts).toBe('msix');
    expect(await back(guest.domain, 'vdev-0')).toBe('0000:00:00.00');
    expect(await back(guest.domain, 'root-0')).toBe('0000:00');
    expect(host.pciback.ledger()).toMatchObject({ mapped: 1, bound: 1, assigned: 1 });
    expect(host.pciback.guests()[0]?.requests.conf_read).toBeGreaterThan(256);
    await guest.stop();
    await host.platform.toolstack.destroy(guest.domain);
    await logged('released');
    expect(host.pciback.ledger()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
  });

  it('keeps host addresses with the passthrough mapper', async () => {
    await start({ config: { slots: 'passthrough' } });
    const nic = await e1000e();
    const guest = await host.guest([nic]);
    const report = await guest.reached(connected);
    expect(report.devices.map((device) => device.vdev)).toEqual([formatBdf(nic)]);
  });

  it('runs the tg3 driver with permissive off and nothing it needs denied', async () => {
    await start();
    const nic = await tg3();
    const guest = await host.guest([nic]);
    await guest.reached(connected);
    const denied = host.pciback.guests()[0]?.denials.map((denial) => denial.offset) ?? [];
    for (const offset of [0x68, 0x78, 0x80]) expect(denied).not.toContain(offset);
    const write = { cmd: Command.confWrite, bus: 0, devfn: 0, domain: 0, offset: 0x78, size: 4, value: 0x1234 };
    expect(await guest.request(write)).toMatchObject({ err: Status.success });
  });

  it('records what it denies with owner and rule', async () => {
    await start();
    const guest = await host.guest([await e1000e()]);
    await guest.reached(connected);
    const denials = host.pciback.guests()[0]?.denials ?? [];
    expect(denials.length).toBeGreaterThan(0);
    for (const denial of denials) {
      expect(denial.owner).not.toBe('');
      expect(denial.why).not.toBe('');
      expect(denial.mask).toBeGreaterThan(0);
    }
  });
});

describe('hot plug', () => {
  it('adds and removes a device under a running guest', async () => {
    await start();
    const [nic, other] = [await e1000e(), await tg3()];
    const guest = await host.guest([nic]);
    await guest.reached(connected);
    await host.pciback.stub.seize(other);
    await host.platform.toolstack.attach(guest.domain, other);
    expect((await guest.reached(connected)).devices).toHaveLength(2);
    await host.platform.toolstack.detach(guest.domain, nic);
    const left = await guest.reached(connected);
    expect(left.devices.map((device) => device.device)).toEqual([0x1659]);
    expect(host.pciback.guests()[0]?.devices.map((device) => device.bdf)).toEqual([other]);
  });

  it('isolates a device that is not there (D-X1): the other one works, the guest is connected again', async () => {
    await start();
    const nic = await e1000e();
    const guest = await host.guest([nic]);
    await guest.reached(connected);
    const directory = `/local/domain/0/backend/pci/${guest.domain}/0`;
    const { xenstore } = host.platform;
    await xenstore.transaction(async (view) => {
      await view.write(`${directory}/dev-1`, '0000:7f:1f.7');
      await view.write(`${directory}/state-1`, '1');
      await view.write(`${directory}/num_devs`, '2');
      await view.write(`${directory}/state`, '7');
    });
    await logged('device not exported');
    await guest.reached(connected);
    expect(await back(guest.domain, 'state-1')).toBe('6');
    expect((await guest.reached(connected)).devices).toHaveLength(1);
    expect(await xenstore.read(`/local/domain/0/error/backend/pci/${guest.domain}/0/error`)).toContain('0000:7f:1f.7');
  });
});

describe('two guests', () => {
  it('gives a device to one owner only (S-9)', async () => {
    await start();
    const nic = await e1000e();
    const first = await host.guest([nic]);
    await first.reached(connected);
    const tenant = host.pciback.stub.devices[0]?.assignment?.tenant;
    if (tenant === undefined) throw new Error('not assigned');
    const second = { ...tenant, domain: 99 };
    const both = await Promise.allSettled([
      host.pciback.stub.assign(nic, second),
      host.pciback.stub.assign(nic, second),
    ]);
    for (const one of both) expect(one).toMatchObject({ status: 'rejected', reason: { code: 'DEVICE_IN_USE' } });
  });

  it('shows the next guest a freshly seized device (S-4, S-8)', async () => {
    await start();
    const nic = await e1000e();
    const image = (): number[] => {
      const model = host.platform.pci.models().find((one) => one.identity.bdf === nic);
      return Array.from({ length: 64 }, (_, index) => model?.readConfig(index * 4, 4) ?? 0);
    };
    const first = await host.guest([nic]);
    await first.reached(connected);
    const request = { cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0 };
    await first.request({ ...request, offset: 0x04, size: 2, value: 0x0147 });
    await first.request({ ...request, offset: 0x0c, size: 1, value: 0x40 });
    await first.request({ ...request, offset: 0x10, size: 4, value: 0xffffffff });
    first.crash();
    // As libxl does for a domain that is dead: the guest's end goes first.
    await host.platform.xenstore.remove(`/local/domain/${first.domain}/device/pci/0`);
    await host.platform.toolstack.destroy(first.domain);
    await logged('released');
    const between = image();
    const second = await host.guest([nic], { driver: 'none' });
    await second.reached(connected);
    const read = { ...request, cmd: Command.confRead };
    expect((await second.request({ ...read, offset: 0x04, size: 2 })).value & 0x0140).toBe(0);
    expect((await second.request({ ...read, offset: 0x10, size: 4 })).value).not.toBe(0xffffffff);
    await second.stop();
    await host.platform.toolstack.destroy(second.domain);
    await logged('released', 2);
    expect(image()).toEqual(between);
  });
});

describe('SIGTERM with a guest attached', () => {
  it('tells the guest, waits for it, and leaves nothing mapped or bound', async () => {
    await start();
    const guest = await host.guest([await e1000e()]);
    await guest.reached(connected);
    const ledger = await host.pciback.stop();
    expect(ledger).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
    expect(guest.report().state).toBe(closed);
    expect(await back(guest.domain, 'state')).toBe('6');
    expect(host.platform.hypervisor.ledger()).toMatchObject({ mapped: [] });
    const states = host.lines.filter((line) => line.message === 'guest state' && line.facts.end === 'back');
    expect(states.map((line) => line.facts.to).slice(-2)).toEqual(['Closing', 'Closed']);
  });

  it('does not wait for ever for a guest that is dead', async () => {
    await start({ config: { shutdownSeconds: 0.1 } });
    const guest = await host.guest([await e1000e()]);
    await guest.reached(connected);
    guest.crash();
    expect(await host.pciback.stop()).toEqual({ mapped: 0, bound: 0, pirqs: 0, assigned: 0 });
  });
});

describe('what the guest sends is hostile', () => {
  const hostile: [
    string,
    Partial<Record<'cmd' | 'domain' | 'bus' | 'devfn' | 'offset' | 'size' | 'value', number>>,
    number,
  ][] = [
    ['S-1 negative offset', { offset: -4096 }, Status.invalidOffset],
    ['S-1 offset -1', { offset: -1, size: 1 }, Status.invalidOffset],
    ['S-1 offset at the end', { offset: 4096 }, Status.invalidOffset],
    ['S-1 highest offset', { offset: 0x7ffffffc }, Status.invalidOffset],
    ['S-1 lowest offset', { offset: -0x80000000 }, Status.invalidOffset],
    ['size 3', { size: 3 }, Status.invalidOffset],
    ['size 0', { size: 0 }, Status.invalidOffset],
    ['negative size', { size: -4 }, Status.invalidOffset],
    ['unaligned', { offset: 2, size: 4 }, Status.invalidOffset],
    ['S-2 devfn 0x100', { devfn: 0x100 }, Status.devNotFound],
    ['S-2 devfn 0xfffffff8', { devfn: 0xfffffff8 }, Status.devNotFound],
    ['S-2 bus 256', { bus: 256 }, Status.devNotFound],
    ['S-2 segment 65536', { domain: 0x10000 }, Status.devNotFound],
    ['unknown command', { cmd: 11 }, Status.notImplemented],
    ['AER command as request', { cmd: 6 }, Status.notImplemented],
    ['unknown command on unknown device', { cmd: 11, devfn: 0xf8 }, Status.devNotFound],
    ['enable_msix of 129', { cmd: Command.enableMsix, value: 129 }, -22],
    ['enable_msix of 0xffffffff', { cmd: Command.enableMsix, value: 0xffffffff }, -22],
  ];
  it.each(hostile)('%s', async (_, request, err) => {
    await start();
    const guest = await host.guest([await e1000e()], { driver: 'none' });
    await guest.reached(connected);
    const base = { cmd: Command.confRead as number, domain: 0, bus: 0, devfn: 0, offset: 0, size: 4, value: 0 };
    const model = host.platform.pci.models().find((one) => one.identity.device === 0x10d3);
    const before = { ...model?.counters };
    expect((await guest.request({ ...base, ...request })).err).toBe(err);
    expect(model?.counters.writes).toBe(before.writes);
    if (err === Status.invalidOffset) expect(model?.counters.reads).toBe(before.reads);
    expect((await guest.request(base)).value).toBe(0x10d38086);
  });

  it('S-13: a host that refuses is op_failed, and the next request is served', async () => {
    await start();
    const guest = await host.guest([await e1000e()], { driver: 'none' });
    await guest.reached(connected);
    const model = host.platform.pci.models().find((one) => one.identity.device === 0x10d3);
    const read = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset: 0x04, size: 4, value: 0 };
    // The status half comes from hardware each time.
    model?.failNext('read');
    expect(await guest.request(read)).toMatchObject({ err: Status.opFailed, value: 0 });
    expect(await guest.request(read)).toMatchObject({ err: Status.success });
  });

  it('XSA-43: refused interrupt requests are logged at a bounded rate', async () => {
    // The clock of the rate stands still, however long the requests take.
    await start({ clock: { ...realClock, now: () => 0 } });
    const guest = await host.guest([await sampleBdf(0x10ec, 0x8139)], { driver: 'none' });
    await guest.reached(connected);
    const before = host.lines.length;
    const enable = { cmd: Command.enableMsi, domain: 0, bus: 0, devfn: 0 };
    for (let i = 0; i < 1000; i++) expect((await guest.request(enable)).err).toBe(Status.opFailed);
    expect(host.lines.slice(before).filter(({ level }) => level === 'warn')).toHaveLength(10);
  });
});

describe('plugins at work', () => {
  it('an interruptControl tap refuses MSI-X, and the guest falls back', async () => {
    const noMsix = definePlugin({
      name: 'test/no-msix',
      api: '^1.0',
      apply: (facade) => {
        facade.hooks.interruptControl.tap(({ kind }) => (kind === 'msix' ? { refused: 'not here' } : undefined));
      },
    });
    await start({ plugins: [noMsix] });
    const guest = await host.guest([await e1000e()]);
    const report = await guest.reached(connected);
    expect(report.devices[0]?.driver?.interrupts).not.toBe('msix');
  });

  it('a tap that throws costs its own device only', async () => {
    const nic = parseBdf('0000:00:00.0');
    const broken = definePlugin({
      name: 'test/broken',
      api: '^1.0',
      apply: (facade) => {
        facade.hooks.deviceAssigned.tap((device) => {
          if (device.identity.device === 0x10d3) throw new Error('boom');
        });
      },
    });
    void nic;
    await start({ plugins: [broken] });
    const guest = await host.guest([await e1000e(), await tg3()]);
    const report = await guest.reached(connected);
    expect(report.devices.map((device) => device.device)).toEqual([0x1659]);
    const line = host.lines.find((one) => one.message === 'device not exported');
    expect(String(line?.facts.error)).toMatch(/test\/broken.*deviceAssigned.*boom/);
  });
});

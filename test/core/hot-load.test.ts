// SPDX-License-Identifier: MIT

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bdf } from '../../core/bdf.ts';
import { definePlugin, header } from '../../core/plugin/index.ts';
import { Command, Status } from '../../core/ring/layout.ts';
import type { IncludedGuest } from '../../plugins/platforms/embedded/index.ts';
import { capability, defineQuirk, type Quirk, register } from '../../quirks/index.ts';
import { type EmbeddedHost, type EmbeddedHostOptions, startEmbeddedHost } from '../kit/embedded-host.ts';

const connected = 4;
/** MRRS of PCI Express device control, of the e1000e sample. */
const DEVICE_CONTROL = 0xe8;
/** An AER mask register: no field of preset kernel. */
const AER_MASK = 0x108;
const PMCSR = 0xcc;

let host: EmbeddedHost;
const start = async (options: EmbeddedHostOptions = {}): Promise<EmbeddedHost> => {
  host = await startEmbeddedHost({ ...options, config: { fields: 'kernel', ...options.config } });
  return host;
};
afterEach(() => host.close());

const bdfOf = async (id: number): Promise<Bdf> => {
  const found = (await host.platform.pci.list()).find((one) => one.device === id);
  if (found === undefined) throw new Error('no such sample');
  return found.bdf;
};
const e1000e = () => bdfOf(0x10d3);
const tg3 = () => bdfOf(0x1659);

const boot = async (devices: readonly Bdf[]): Promise<IncludedGuest> => {
  const guest = await host.guest(devices, { driver: 'none' });
  await guest.reached(connected);
  return guest;
};

const read = async (guest: IncludedGuest, offset: number, size = 2): Promise<number> => {
  const request = { cmd: Command.confRead, domain: 0, bus: 0, devfn: 0, offset, size };
  const { err, value } = await guest.request(request);
  if (err !== Status.success) throw new Error(`read answered ${err}`);
  return value;
};
const write = async (guest: IncludedGuest, offset: number, value: number, size = 2): Promise<number> =>
  (await guest.request({ cmd: Command.confWrite, domain: 0, bus: 0, devfn: 0, offset, size, value })).err;

const quirkAt = (name: string, offset: number, mask: number, vendor = 0x8086, device = 0x10d3): Quirk =>
  defineQuirk({
    name,
    source: 'a test',
    match: [{ vendor, device }],
    fields: [register(offset, 16, 'a register').writable(mask)],
  });

const denials = () => host.pciback.guests()[0]?.denials.length ?? 0;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

describe('a quirk, under a running guest', () => {
  it('leaves nothing of the tables that were in force before it', async () => {
    await start();
    await boot([await e1000e()]);
    const tableNow = (): object => {
      const device = host.pciback.stub.devices.find(({ assignment }) => assignment !== undefined);
      return device?.assignment?.space.table.registers ?? {};
    };
    const tables: WeakRef<object>[] = [];
    for (let count = 0; count < 5; count++) {
      tables.push(new WeakRef(tableNow()));
      await host.plugins.load(quirkAt('acme/nic', DEVICE_CONTROL, 0x7000), undefined, 'test');
      tables.push(new WeakRef(tableNow()));
      host.plugins.unload('acme/nic');
    }
    // What is in force refers to itself alone; what a turn of the loop still holds is let go.
    await new Promise((resolve) => setTimeout(resolve, 10));
    collect();
    expect(tables.filter((one) => one.deref() !== undefined).length).toBeLessThanOrEqual(1);
  });

  it('is in force from the next request on, and gone with the next one after it is unloaded', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    const before = await read(guest, DEVICE_CONTROL);
    await write(guest, DEVICE_CONTROL, before ^ 0x7000);
    expect(await read(guest, DEVICE_CONTROL)).toBe(before);
    expect(denials()).toBe(1);

    expect(await host.plugins.load(quirkAt('acme/nic', DEVICE_CONTROL, 0x7000), undefined, 'test')).toMatchObject({
      devices: 1,
      waiting: 0,
      failures: [],
    });
    await write(guest, DEVICE_CONTROL, before ^ 0x7001);
    expect(await read(guest, DEVICE_CONTROL)).toBe(before ^ 0x7000);

    expect(host.plugins.unload('acme/nic')).toMatchObject({ devices: 1 });
    await write(guest, DEVICE_CONTROL, before);
    expect(await read(guest, DEVICE_CONTROL)).toBe(before ^ 0x7000);
    expect(host.lines.find((line) => line.message === 'quirk loaded')?.facts).toMatchObject({
      name: 'acme/nic',
      devices: 1,
      ms: expect.any(Number),
    });
    expect(host.lines.map((line) => line.message)).toContain('quirk unloaded');
    expect(guest.report().state).toBe(connected);
  });

  it('touches only the devices that it is for', async () => {
    await start();
    const [nic, other] = [await e1000e(), await tg3()];
    await boot([nic, other]);
    const tables = () => host.pciback.stub.devices.map((device) => device.assignment?.space.table);
    const before = tables();
    await host.plugins.load(quirkAt('acme/nic', DEVICE_CONTROL, 0x7000), undefined, 'test');
    const changed = tables().map((table, index) => table !== before[index]);
    expect(changed).toEqual(host.pciback.stub.devices.map((device) => device.bdf === nic));
    const effect = await host.plugins.load(quirkAt('acme/none', 0xf0, 1, 0x1234), undefined, 'test');
    expect(effect).toMatchObject({ devices: 0 });
  });

  it('can be limited to one of two devices with the same ids', async () => {
    await start();
    const nic = await e1000e();
    const guest = await boot([nic]);
    const elsewhere = { ...quirkAt('acme/there', DEVICE_CONTROL, 0x7000), only: [(nic + 8) as Bdf] };
    expect(await host.plugins.load(elsewhere, undefined, 'test')).toMatchObject({ devices: 0 });
    // The same bits, for the other one: no overlap.
    const here = { ...quirkAt('acme/here', DEVICE_CONTROL, 0x7000), only: [nic] };
    expect(await host.plugins.load(here, undefined, 'test')).toMatchObject({ devices: 1 });
    const before = await read(guest, DEVICE_CONTROL);
    await write(guest, DEVICE_CONTROL, before ^ 0x1000);
    expect(await read(guest, DEVICE_CONTROL)).toBe(before ^ 0x1000);
    await expect(host.plugins.load(quirkAt('acme/both', DEVICE_CONTROL, 0x1000), undefined, 'test')).rejects.toThrow(
      /acme\/both.*acme\/(there|here)/,
    );
  });

  it('can be changed: the new one takes the place of the old one, or the old one stays', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    await host.plugins.load(quirkAt('acme/nic', DEVICE_CONTROL, 0x1000), undefined, 'test');
    expect(await host.plugins.replace(quirkAt('acme/nic', DEVICE_CONTROL, 0x2000), undefined, 'test')).toMatchObject({
      devices: 1,
    });
    const before = await read(guest, DEVICE_CONTROL);
    await write(guest, DEVICE_CONTROL, before ^ 0x3000);
    expect(await read(guest, DEVICE_CONTROL)).toBe(before ^ 0x2000);
    await expect(host.plugins.replace(quirkAt('acme/nic', PMCSR, 0xffff), undefined, 'test')).rejects.toMatchObject({
      code: 'FIELD_OVERLAP',
    });
    await write(guest, DEVICE_CONTROL, before);
    expect(await read(guest, DEVICE_CONTROL)).toBe(before);
  });

  it('over bits of a capability of an attached device is refused with both names, and nothing changes', async () => {
    await start();
    await boot([await e1000e()]);
    const table = host.pciback.stub.devices[0]?.assignment?.space.table;
    await expect(host.plugins.load(quirkAt('acme/pm', PMCSR, 0x0100), undefined, 'test')).rejects.toMatchObject({
      code: 'FIELD_OVERLAP',
      message: expect.stringMatching(/acme\/pm.*fields\/power.*0xcc/),
    });
    expect(host.pciback.stub.devices[0]?.assignment?.space.table).toBe(table);
    expect(host.plugins.loaded.map((one) => one.name)).not.toContain('acme/pm');
    expect(host.plugins.registries.quirks.names).not.toContain('acme/pm');
  });

  it('does not reach a device whose host refuses: it keeps its table, and is told of', async () => {
    await start();
    const [nic, other] = [await e1000e(), await tg3()];
    await boot([nic, other]);
    const all = defineQuirk({
      name: 'acme/all',
      source: 'a test',
      match: [{ vendor: 0x8086 }, { vendor: 0x14e4 }],
      fields: [register(0xf0, 16, 'anything').emulated()],
    });
    const table = (bdf: Bdf) => host.pciback.stub.devices.find((one) => one.bdf === bdf)?.assignment?.space.table;
    const before = table(nic);
    const model = host.platform.pci.models().find((one) => one.identity.bdf === nic);
    model?.failNext('read');
    const effect = await host.plugins.load(all, undefined, 'test');
    expect(effect).toMatchObject({ devices: 1, failures: [{ bdf: '0000:01:00.0', why: expect.any(String) }] });
    expect(table(nic)).toBe(before);
    expect(host.lines.some((line) => line.message === 'device keeps its old registers')).toBe(true);
    // The next change catches up.
    expect(await host.plugins.load(quirkAt('acme/none', 0xf8, 1, 0x1234), undefined, 'test')).toMatchObject({
      devices: 1,
      failures: [],
    });
    expect(table(nic)).not.toBe(before);
  });
});

describe('state under a change', () => {
  it('goes on: the guest’s own values and the registers that a field keeps', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    const own = defineQuirk({
      name: 'acme/own',
      source: 'a test',
      match: [{ vendor: 0x8086 }],
      fields: [register(0xf0, 16, 'scratch').emulated()],
    });
    await host.plugins.load(own, undefined, 'test');
    await write(guest, 0xf0, 0xbeef);
    await write(guest, 0x04, 0x0147);
    const command = await read(guest, 0x04);
    await write(guest, 0x10, 0xffffffff, 4);
    const sized = await read(guest, 0x10, 4);
    await host.plugins.load(quirkAt('acme/nic', DEVICE_CONTROL, 0x7000), undefined, 'test');
    expect(await read(guest, 0xf0)).toBe(0xbeef);
    expect(await read(guest, 0x04)).toBe(command);
    expect(command & 0x0100).toBe(0x0100);
    expect(await read(guest, 0x10, 4)).toBe(sized);
    host.plugins.unload('acme/own');
    expect(await read(guest, 0xf0)).not.toBe(0xbeef);
  });

  it('a device in D3hot follows before its guest hears that it is awake', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    expect(await write(guest, PMCSR, 3)).toBe(Status.success);
    const effect = await host.plugins.load(quirkAt('acme/nic', DEVICE_CONTROL, 0x7000), undefined, 'test');
    expect(effect).toMatchObject({ devices: 0, waiting: 1 });
    expect(await write(guest, PMCSR, 0)).toBe(Status.success);
    const before = await read(guest, DEVICE_CONTROL);
    await write(guest, DEVICE_CONTROL, before ^ 0x7000);
    expect(await read(guest, DEVICE_CONTROL)).toBe(before ^ 0x7000);
  });
});

describe('plugins, under a running guest', () => {
  const scratch = (offset: number) =>
    definePlugin({
      name: 'acme/fields',
      api: '^1.0',
      apply: (facade) => {
        facade.fields.add(header('acme', [0], [register(offset, 16, 'scratch').emulated(undefined, 0x1234)]));
      },
    });

  it('a field plugin takes effect, and what it registered goes with it', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    const before = await read(guest, 0xf0);
    await host.plugins.load(scratch(0xf0), undefined, 'test');
    expect(await read(guest, 0xf0)).toBe(0x1234);
    host.plugins.unload('acme/fields');
    expect(await read(guest, 0xf0)).toBe(before);
    expect(host.plugins.registries.fields.names).not.toContain('acme');
  });

  it('a field plugin over a quirk at a capability is refused with both names', async () => {
    await start();
    await boot([await e1000e()]);
    const vendor = defineQuirk({
      name: 'acme/pcie',
      source: 'a test',
      match: [{ vendor: 0x8086 }],
      fields: [capability(0x10, 'pci express', [register(0x08, 16, 'device control').writable(0x7000)])],
    });
    await host.plugins.load(vendor, undefined, 'test');
    await expect(host.plugins.load(scratch(DEVICE_CONTROL), undefined, 'test')).rejects.toThrow(
      /acme\/pcie.*acme\/fields/,
    );
    expect(host.plugins.registries.fields.names).not.toContain('acme');
  });

  const open = definePlugin({
    name: 'acme/open',
    api: '^1.0',
    apply: (facade) => {
      facade.hooks.unhandledWrite.tap(() => 'permissive');
    },
  });

  it('a policy takes effect, ends with its plugin, and never survives the guest (D-C5)', async () => {
    await start();
    const nic = await e1000e();
    const guest = await boot([nic]);
    const try1 = async (one: IncludedGuest): Promise<boolean> => {
      const old = await read(one, AER_MASK, 4);
      await write(one, AER_MASK, old ^ 0x00100000, 4);
      return (await read(one, AER_MASK, 4)) !== old;
    };
    expect(await try1(guest)).toBe(false);
    await host.plugins.load(open, undefined, 'test');
    expect(await try1(guest)).toBe(true);
    expect(host.lines.filter((line) => line.message.startsWith('permissive:'))).toHaveLength(1);
    host.plugins.unload('acme/open');
    expect(await try1(guest)).toBe(false);

    await host.plugins.load(open, undefined, 'test');
    await guest.stop();
    await host.platform.toolstack.destroy(guest.domain);
    while (host.pciback.guests().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    host.plugins.unload('acme/open');
    const next = await boot([nic]);
    expect(await try1(next)).toBe(false);
    expect(host.pciback.stub.devices[0]?.assignment?.rules.unhandled).toBe('drop');
  });

  it('a policy of a device in D3hot takes effect when it is awake, and is told of then', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    const told = () => host.lines.filter((line) => line.message.startsWith('permissive:'));
    await write(guest, PMCSR, 3);
    expect(await host.plugins.load(open, undefined, 'test')).toMatchObject({ devices: 0, waiting: 1 });
    expect(told()).toEqual([]);
    await write(guest, PMCSR, 0);
    expect(host.pciback.stub.devices[0]?.assignment?.rules.unhandled).toBe('permissive');
    expect(told()).toHaveLength(1);
  });

  it('a hook that throws costs no device its table', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    const broken = definePlugin({
      name: 'acme/broken',
      api: '^1.0',
      apply: (facade) => {
        facade.hooks.unhandledWrite.tap(() => {
          throw new Error('boom');
        });
      },
    });
    expect(await host.plugins.load(broken, undefined, 'test')).toMatchObject({
      devices: 0,
      failures: [{ why: expect.stringMatching(/acme\/broken.*boom/) }],
    });
    expect(await read(guest, 0, 4)).toBe(0x10d38086);
  });
});

describe('a guest that never stops asking', () => {
  it('loses no answer and gets no wrong one while a quirk comes and goes 100 times', async () => {
    await start();
    const guest = await boot([await e1000e()]);
    const quirk = quirkAt('acme/nic', DEVICE_CONTROL, 0x7000);
    const base = await read(guest, DEVICE_CONTROL);
    /** Odd while a change is under way; of the even ones every second one has the quirk. */
    let phase = 0;
    let running = true;
    let asked = 0;
    const wrong: string[] = [];
    const ask = async (): Promise<void> => {
      while (running) {
        const value = ((asked % 8) << 12) | (base & 0x8fff);
        const before = await read(guest, DEVICE_CONTROL);
        const began = phase;
        if ((await write(guest, DEVICE_CONTROL, value)) !== Status.success) wrong.push('a write was not answered');
        const after = await read(guest, DEVICE_CONTROL);
        const steady = began === phase && phase % 2 === 0;
        const allowed = steady ? [phase % 4 === 2 ? value : before] : [value, before];
        if (!allowed.includes(after)) wrong.push(`wrote ${value} over ${before}, got ${after} in phase ${phase}`);
        if ((await read(guest, 0, 4)) !== 0x10d38086) wrong.push('ids changed');
        asked++;
      }
    };
    const asking = ask();
    const times: number[] = [];
    for (let round = 0; round < 100; round++) {
      phase++;
      const up = await host.plugins.load(quirk, undefined, 'test');
      phase++;
      for (const seen = asked; asked < seen + 3; ) await new Promise((resolve) => setImmediate(resolve));
      phase++;
      const down = host.plugins.unload('acme/nic');
      phase++;
      times.push(up.ms, down.ms);
      expect(up.devices + down.devices).toBe(2);
      for (const seen = asked; asked < seen + 3; ) await new Promise((resolve) => setImmediate(resolve));
    }
    running = false;
    await asking;
    expect(wrong).toEqual([]);
    expect(asked).toBeGreaterThanOrEqual(600);
    times.sort((one, other) => one - other);
    const at = (share: number) => times[Math.floor((times.length - 1) * share)]?.toFixed(3);
    console.log(`swap of a table, 200 times: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms`);
  });
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { createBus } from '../../../../plugins/platforms/embedded/bus.ts';
import { type ModelEvents, PciModel } from '../../../../plugins/platforms/embedded/device.ts';
import { type SampleName, sample, samples } from '../../../../plugins/platforms/embedded/samples.ts';

const make = (name: SampleName): PciModel => new PciModel(sample(name));
const errno = (value: number) => expect.objectContaining({ name: 'HostError', errno: value });

describe('BARs', () => {
  it.each([
    ['e1000e', 0x10, 0xfffe0000],
    ['e1000e', 0x14, 0xfff80000],
    ['e1000e', 0x18, 0xffffffe1],
    ['e1000e', 0x1c, 0xffffc000],
    ['e1000e', 0x20, 0],
    ['e1000e', 0x30, 0xfffc0001],
    ['nvme', 0x10, 0xffffc004],
    ['nvme', 0x14, 0xffffffff],
    ['rtl8139', 0x10, 0xffffff01],
    ['igb-vf', 0x10, 0],
    ['root-port', 0x10, 0],
  ] as const)('%s at 0x%s answers sizing with %s', (name, offset, mask) => {
    const device = make(name);
    const before = device.readConfig(offset, 4);
    device.writeConfig(offset, 4, 0xffffffff);
    expect(device.readConfig(offset, 4)).toBe(mask);
    device.writeConfig(offset, 4, before);
    expect(device.readConfig(offset, 4)).toBe(before);
  });
});

describe('header registers', () => {
  it('keep ids and class, and only the command bits that are implemented', () => {
    const device = make('e1000e');
    for (const offset of [0x00, 0x08, 0x2c, 0x34]) {
      const before = device.readConfig(offset, 4);
      device.writeConfig(offset, 4, ~before >>> 0);
      expect(device.readConfig(offset, 4)).toBe(before);
    }
    device.writeConfig(0x04, 2, 0xffff);
    expect(device.readConfig(0x04, 2)).toBe(0x0547);
    const conventional = make('rtl8139');
    conventional.writeConfig(0x04, 2, 0xffff);
    expect(conventional.readConfig(0x04, 2)).toBe(0x0557);
    const virtual = make('igb-vf');
    virtual.writeConfig(0x04, 2, 0xffff);
    expect(virtual.readConfig(0x04, 2)).toBe(0x0004);
  });

  it('status bits are cleared by writing 1', () => {
    const device = make('e1000e');
    device.poke(0x06, 2, 0xf910);
    device.writeConfig(0x06, 2, 0x2000);
    expect(device.readConfig(0x06, 2)).toBe(0xd910);
    device.writeConfig(0x04, 4, 0xffff0000);
    expect(device.readConfig(0x06, 2)).toBe(0x0010);
  });

  it('interrupt line and cache line size are writable, the latency timer only on a conventional bus', () => {
    for (const [name, latency] of [
      ['rtl8139', 0x40],
      ['e1000e', 0],
    ] as const) {
      const device = make(name);
      device.writeConfig(0x0c, 1, 0x10);
      device.writeConfig(0x0d, 1, 0x40);
      device.writeConfig(0x3c, 1, 0x0b);
      expect([0x0c, 0x0d, 0x3c].map((at) => device.readConfig(at, 1))).toEqual([0x10, latency, 0x0b]);
    }
  });

  it('a virtual function shows no ids, its identity does', () => {
    const device = make('igb-vf');
    expect(device.readConfig(0, 4)).toBe(0xffffffff);
    expect(device.identity).toMatchObject({ vendor: 0x8086, device: 0x10ca, virtualFunction: true });
    expect(device.identity.physicalFunction).toBe(sample('igb').bdf);
  });

  it('a bridge has its own registers', () => {
    const device = make('root-port');
    device.writeConfig(0x18, 4, 0x00030201);
    expect(device.readConfig(0x18, 4)).toBe(0x00030201);
    device.poke(0x1e, 2, 0x2000);
    device.writeConfig(0x1e, 2, 0x2000);
    expect(device.readConfig(0x1e, 2)).toBe(0);
  });
});

describe('power management', () => {
  const pmcsr = 0xcc;

  it('D3hot and back loses state without No_Soft_Reset', () => {
    const device = make('e1000e');
    device.writeConfig(0x04, 2, 0x0006);
    device.writeConfig(pmcsr, 2, 0x0003);
    expect(device.readConfig(0x10, 4)).toBe(0xf7d00000);
    device.writeConfig(pmcsr, 2, 0x0000);
    expect(device.readConfig(0x10, 4)).toBe(0);
    expect(device.readConfig(0x04, 2)).toBe(0);
  });

  it('keeps state with No_Soft_Reset', () => {
    const device = make('nvme');
    device.writeConfig(0x04, 2, 0x0006);
    device.writeConfig(0x44, 2, 0x0003);
    device.writeConfig(0x44, 2, 0x0000);
    expect(device.readConfig(0x04, 2)).toBe(0x0006);
    expect(device.readConfig(0x10, 4)).toBe(0xf7900004);
  });

  it('ignores states that are not there, and shallower ones from a deeper one', () => {
    const device = make('e1000e');
    device.writeConfig(pmcsr, 2, 0x0001);
    expect(device.readConfig(pmcsr, 2) & 3).toBe(0);
    device.writeConfig(pmcsr, 2, 0x0003);
    device.writeConfig(pmcsr, 2, 0x0002);
    expect(device.readConfig(pmcsr, 2) & 3).toBe(3);
  });

  it('PME status is cleared by writing 1 and survives the way through D3hot', () => {
    const device = make('e1000e');
    device.poke(pmcsr, 2, 0xa103);
    device.writeConfig(pmcsr, 2, 0x0100);
    expect(device.readConfig(pmcsr, 2) & 0x8100).toBe(0x8100);
    device.writeConfig(pmcsr, 2, 0x8000);
    expect(device.readConfig(pmcsr, 2) & 0x8100).toBe(0);
  });
});

describe('the VPD window', () => {
  it('reads, and stores what is written with the flag set', () => {
    const device = make('tg3');
    device.writeConfig(0x52, 2, 0x0000);
    expect(device.readConfig(0x52, 2)).toBe(0x0000);
    expect(device.readConfig(0x52, 2)).toBe(0x8000);
    expect(device.readConfig(0x54, 4) & 0xff).toBe(0x82);
    device.writeConfig(0x54, 4, 0xcafef00d);
    device.writeConfig(0x52, 2, 0x8080);
    device.readConfig(0x52, 2);
    expect(device.readConfig(0x52, 2)).toBe(0x0080);
    device.writeConfig(0x52, 2, 0x0004);
    expect(device.readConfig(0x54, 4)).not.toBe(0xcafef00d);
    device.writeConfig(0x52, 2, 0x0080);
    expect(device.readConfig(0x54, 4)).toBe(0xcafef00d);
  });
});

describe('interrupt capabilities', () => {
  it('take legal bits only', () => {
    const device = make('e1000e');
    device.writeConfig(0xd2, 2, 0xffff);
    expect(device.readConfig(0xd2, 2)).toBe(0x0081);
    device.writeConfig(0xd4, 4, 0xffffffff);
    expect(device.readConfig(0xd4, 4)).toBe(0xfffffffc);
    device.writeConfig(0xa2, 2, 0xffff);
    expect(device.readConfig(0xa2, 2)).toBe(0xc004);
  });

  it('of MSI-X accept a 16-bit control write and nothing else', () => {
    const device = make('e1000e');
    expect(() => device.writeConfig(0xa0, 4, 0)).toThrow(errno(13));
    expect(() => device.writeConfig(0xa0, 2, 0)).toThrow(errno(13));
    expect(() => device.writeConfig(0xa3, 1, 0x80)).toThrow(errno(13));
    expect(() => device.writeConfig(0xa4, 4, 0)).toThrow(errno(13));
    expect(() => device.writeConfig(0xa8, 4, 0)).toThrow(errno(13));
    device.writeConfig(0xac, 4, 0);
    device.writeConfig(0x9c, 4, 0);
  });

  it('of maskable MSI in use accept control and mask', () => {
    const device = make('igb');
    device.writeConfig(0x54, 4, 0xfee00000);
    device.writeConfig(0x52, 2, 0x0001);
    expect(() => device.writeConfig(0x54, 4, 0)).toThrow(errno(13));
    device.writeConfig(0x60, 4, 1);
    device.writeConfig(0x52, 2, 0x0000);
    device.writeConfig(0x54, 4, 0);
    expect(device.readConfig(0x54, 4)).toBe(0);
  });
});

describe('PCI Express', () => {
  it('device control is writable, device status write-1-to-clear, error registers both', () => {
    const device = make('nvme');
    device.writeConfig(0x78, 2, 0x5fff);
    expect(device.readConfig(0x78, 2)).toBe(0x5fff);
    device.poke(0x7a, 2, 0x000f);
    device.writeConfig(0x7a, 2, 0x0003);
    expect(device.readConfig(0x7a, 2)).toBe(0x000c);
    device.poke(0x104, 4, 0x00114010);
    device.writeConfig(0x104, 4, 0x00100000);
    expect(device.readConfig(0x104, 4)).toBe(0x00014010);
    device.writeConfig(0x108, 4, 0xffffffff);
    expect(device.readConfig(0x108, 4)).toBe(0x07fff030);
    device.writeConfig(0x100, 4, 0);
    expect(device.readConfig(0x100, 2)).toBe(0x0001);
  });
});

describe('reset', () => {
  it.each([
    ['nvme', 'flr'],
    ['igb-vf', 'flr'],
    ['uhci-2', 'af_flr'],
    ['e1000e', 'pm'],
  ] as const)('%s is reset by %s and loses what it was told', async (name, method) => {
    const device = make(name);
    device.writeConfig(0x04, 2, 0x0007);
    expect(await device.reset()).toEqual({ ok: true, method });
    expect(device.readConfig(0x04, 2)).toBe(0);
    expect(device.readConfig(name === 'uhci-2' ? 0x20 : 0x10, 4) & ~0xf).toBe(0);
    expect(device.readConfig(0x08, 4)).toBe(make(name).readConfig(0x08, 4));
    expect(device.counters.resets).toBe(1);
  });

  it('turns MSI-X off, sets device control to its default, keeps error registers', async () => {
    const device = make('nvme');
    device.writeConfig(0xb2, 2, 0xc000);
    device.writeConfig(0x78, 2, 0x0000);
    device.poke(0x104, 4, 0x4000);
    await device.reset();
    expect(device.readConfig(0xb2, 2)).toBe(32);
    expect(device.readConfig(0x78, 2)).toBe(0x2810);
    expect(device.readConfig(0x104, 4)).toBe(0x4000);
  });

  it('is started by the FLR bits, which read 0', () => {
    const device = make('nvme');
    device.writeConfig(0x04, 2, 6);
    device.writeConfig(0x78, 2, 0x8000);
    expect(device.readConfig(0x04, 2)).toBe(0);
    expect(device.readConfig(0x78, 2)).toBe(0x2810);
    const usb = make('uhci-2');
    usb.writeConfig(0x04, 2, 1);
    usb.writeConfig(0x54, 1, 1);
    expect(usb.readConfig(0x04, 2)).toBe(0);
    expect(usb.readConfig(0x54, 1)).toBe(0);
  });

  it('is unsupported without a method, and fails on demand', async () => {
    expect(await make('uhci-1').reset()).toMatchObject({ ok: false, reason: 'unsupported' });
    const device = make('nvme');
    device.writeConfig(0x04, 2, 6);
    device.failNext('reset');
    expect(await device.reset()).toMatchObject({ ok: false, reason: 'failed' });
    expect(device.readConfig(0x04, 2)).toBe(6);
    expect(await device.reset()).toMatchObject({ ok: true });
  });
});

describe('faults and obligations', () => {
  it('fail accesses as often as told', () => {
    const device = make('nvme');
    device.failNext('read', 5, 2);
    expect(() => device.readConfig(0, 4)).toThrow(errno(5));
    device.writeConfig(4, 2, 6);
    expect(() => device.readConfig(0, 4)).toThrow(errno(5));
    expect(device.readConfig(0, 2)).toBe(0x144d);
    device.failNext('write', 13);
    expect(() => device.writeConfig(4, 2, 0)).toThrow(errno(13));
    expect(device.readConfig(4, 2)).toBe(6);
    expect(device.counters).toEqual({ reads: 4, writes: 2, resets: 0 });
  });

  it('note accesses that the caller should have refused', () => {
    const illegal: string[] = [];
    const events: ModelEvents = { illegal: (line) => illegal.push(line), note: () => undefined };
    const device = new PciModel(sample('rtl8139'), events);
    expect(() => device.readConfig(0x100, 4)).toThrow(errno(22));
    expect(() => device.readConfig(-4, 4)).toThrow(errno(22));
    expect(() => device.writeConfig(2, 4, 0)).toThrow(errno(22));
    expect(illegal).toHaveLength(3);
  });
});

describe('the bus', () => {
  const quiet: ModelEvents = { illegal: () => undefined, note: () => undefined };

  it('lists, seizes once, releases, and refuses stale references', async () => {
    const bus = createBus(samples(), quiet);
    const { bdf } = sample('nvme');
    const device = await bus.seize(bdf);
    const listed = (await bus.list()).find((one) => one.bdf === bdf);
    expect(listed).toMatchObject({ vendor: 0x144d, class: 0x010802, holder: 'pciback', seizable: false });
    await expect(bus.seize(bdf)).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZABLE' });
    await bus.release(device);
    expect(() => device.readConfig(0, 4)).toThrow(errno(19));
    expect((await bus.seize(bdf)).readConfig(0, 2)).toBe(0x144d);
  });

  it('refuses what is not there, what a driver holds, and an address used twice', async () => {
    const held = { ...sample('nvme'), holder: 'nvme' };
    const bus = createBus([held], quiet);
    await expect(bus.seize(held.bdf)).rejects.toMatchObject({
      code: 'DEVICE_NOT_SEIZABLE',
      solve: expect.stringContaining('drivers/nvme/unbind'),
    });
    await expect(bus.seize(sample('tg3').bdf)).rejects.toMatchObject({ code: 'DEVICE_NOT_FOUND' });
    expect(() => createBus([held, held], quiet)).toThrow('used twice');
  });

  it('gives the physical function of a virtual one to look at', async () => {
    const bus = createBus([sample('igb'), sample('igb-vf')], quiet);
    const device = await bus.seize(sample('igb-vf').bdf);
    expect(device.physical?.readConfig(0, 4)).toBe(0x10c98086);
    const alone = createBus([sample('igb-vf')], quiet);
    expect((await alone.seize(sample('igb-vf').bdf)).physical?.readConfig(4, 2)).toBe(2);
    expect((await bus.seize(sample('igb').bdf)).physical).toBeUndefined();
  });

  it('knows the bridges above a function', async () => {
    const bus = createBus(samples(), quiet);
    expect(await bus.bridgesAbove(sample('e1000e').bdf)).toEqual([sample('root-port').bdf]);
    expect(await bus.bridgesAbove(sample('ehci').bdf)).toEqual([]);
  });
});

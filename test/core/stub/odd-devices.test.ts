// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { type Bdf, bdf } from '../../../core/bdf.ts';
import { type ImageBuilder, image } from '../../../plugins/platforms/embedded/image.ts';
import {
  type DeviceImage,
  type IncludedGuest,
  sample,
  XenbusState,
} from '../../../plugins/platforms/embedded/index.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { tenantOf } from '../../kit/tenant.ts';

const address = bdf(0, 3, 0);
const other = bdf(0, 5, 0);
const BAR0 = 0x10;

/** A network card with 64 KiB of memory and a line. */
const card = (at: Bdf, ...parts: readonly ((to: ImageBuilder) => ImageBuilder)[]): DeviceImage => {
  const start = image({
    bdf: at,
    name: 'card',
    vendor: 0x1af3,
    device: 0x5678,
    class: 0x020000,
    configSize: 4096,
    interrupt: { pin: 1, line: 17 },
  }).bar(0, { start: 0xe1200000n + BigInt(at) * 0x10000n, size: 0x10000, kind: 'memory32' });
  return parts.reduce((to, part) => part(to), start).build();
};
const express = (to: ImageBuilder): ImageBuilder => to.capability(0x70, 0x10, [0x02, 0x00, 0xc0, 0x8c, 0, 0x10]);
const power =
  (at: number, control: number) =>
  (to: ImageBuilder): ImageBuilder =>
    to.capability(at, 0x01, [0x23, 0xc8, control & 0xff, control >> 8, 0, 0]);

let host: EmbeddedHost;
afterEach(() => host.close());

const start = async (...devices: readonly DeviceImage[]): Promise<void> => {
  host = await startEmbeddedHost({ devices });
};
const warnings = (): string[] =>
  host.lines
    .filter(({ level }) => level === 'warn' || level === 'error')
    .map(({ message, facts }) => `${message}: ${facts.bdf} ${facts.set ?? facts.why ?? facts.offsets ?? ''}`.trim());
const booted = async (...devices: readonly Bdf[]): Promise<IncludedGuest> => {
  const guest = await host.guest(devices);
  await guest.reached(XenbusState.connected);
  return guest;
};
const at = (guest: IncludedGuest, index = 0) => {
  const seen = guest.report().devices[index];
  if (seen === undefined) throw new Error('the guest has no such device');
  return {
    seen,
    read: async (offset: number, size: number) =>
      (await guest.request({ cmd: 0, bus: seen.bus, devfn: seen.devfn, offset, size })).value,
    write: async (offset: number, size: number, value: number) =>
      (await guest.request({ cmd: 1, bus: seen.bus, devfn: seen.devfn, offset, size, value })).err,
  };
};
const end = async (guest: IncludedGuest): Promise<void> => {
  await guest.stop();
  await host.platform.toolstack.destroy(guest.domain);
  await expect.poll(() => host.pciback.guests().length).toBe(0);
};

describe('a list of capabilities that is not sound', () => {
  const nowhere = (id: number, offset: number) => (to: ImageBuilder) =>
    to.extended(0x100, 3, 1, [1, 2]).extended(offset, id, 1, []);
  it.each([
    ['power management without room', card(address, express, power(0xfc, 3)), 'fields/power: power management'],
    ['AER without room', card(address, express, nowhere(0x0001, 0xff4)), 'fields/aer: aer'],
    ['resizable BARs without room', card(address, express, nowhere(0x0015, 0xffc)), 'fields/rebar: resizable BAR 0'],
    ['virtual channels without room', card(address, express, nowhere(0x0002, 0xffc)), 'fields/vc: virtual channels'],
  ])('%s costs that set, which is named', async (_, odd, set) => {
    await start(odd, card(other, express));
    const guest = await booted(address, other);
    expect(guest.report().devices).toHaveLength(2);
    expect(warnings()).toContain(`field set left out: 0000:03:00.0 ${set}`);
    expect(warnings().filter((line) => line.includes('05:00.0'))).toEqual([]);
    await end(guest);
    expect(warnings().filter((line) => line.includes('quarantined') || line.includes('did not take'))).toEqual([]);
  });
});

describe('a device in D3hot', () => {
  it('that is found so is in D0 for its guest, and for the next one', async () => {
    await start(card(address, express, power(0x40, 0x000b)));
    for (const _ of [1, 2]) {
      const guest = await booted(address);
      const { read, write } = at(guest);
      expect(await read(0x44, 2)).toBe(0x0008);
      expect(await write(0x04, 2, 0x0002)).toBe(0);
      expect(await write(0x44, 2, 0x0003)).toBe(0);
      await end(guest);
      expect(host.platform.pci.model(address).peek(0x44, 2) & 3).toBe(0);
    }
  });

  it.each([0x0008, 0x0000])('comes to D0 when its guest switches decode on, control %i', async (control) => {
    await start(card(address, express, power(0x40, control)));
    const guest = await booted(address);
    const { read, write } = at(guest);
    const model = host.platform.pci.model(address);
    expect([await write(0x04, 2, 0), await write(0x44, 2, 3), model.peek(0x44, 2) & 3]).toEqual([0, 0, 3]);
    expect(await write(0x04, 2, 0x0006)).toBe(0);
    expect([await read(0x44, 2), await read(0x04, 2)]).toEqual([control, 0x0006]);
    expect([model.peek(0x44, 2) & 3, model.peek(0x04, 2) & 0x0006]).toEqual([0, 0x0006]);
    expect(BigInt(model.peek(BAR0, 4))).toBe(model.resources[0]?.start);
  });

  it('of which decode is not switched on stays there', async () => {
    await start(card(address, express, power(0x40, 0x0008)));
    const { write } = at(await booted(address));
    await write(0x04, 2, 0);
    await write(0x44, 2, 3);
    expect(await write(0x04, 2, 0x0100)).toBe(0);
    expect(host.platform.pci.model(address).peek(0x44, 2) & 3).toBe(3);
  });
});

describe('bits that report', () => {
  it('are neither put back nor compared: PME status set at seizing is no register that did not take its value', async () => {
    await start(card(address, express, power(0x40, 0x8008)));
    await end(await booted(address));
    expect(warnings().filter((line) => line.includes('did not take'))).toEqual([]);
  });
});

describe('what the host does to a device that no guest has', () => {
  it('a BAR that moved is seen by the next guest, and is not put back when it returns', async () => {
    await start(card(address, express));
    const first = await booted(address);
    await end(first);
    host.platform.pci.model(address).moveBar(0, 0xd0000000n);
    const next = await booted(address);
    expect(at(next).seen.bars[0]).toMatchObject({ start: 0xd0000000, size: 0x10000 });
    await end(next);
    expect(host.platform.pci.model(address).peek(BAR0, 4)).toBe(0xd0000000);
  });

  it('a BAR that a reset of the link lost is put back for the next guest, and stays the host’s', async () => {
    await start(card(address, express));
    const seized = await host.pciback.stub.seize(address);
    const { hardware } = seized.operations;
    const before = hardware.readConfig(BAR0, 4);
    hardware.writeConfig(BAR0, 4, 0);
    const next = await booted(address);
    expect([before, hardware.readConfig(BAR0, 4)]).toEqual([before, before]);
    await end(next);
    expect(hardware.readConfig(BAR0, 4)).toBe(before);
  });

  it('one that it took for a driver of its own is not given away any more', async () => {
    await start(card(address, express));
    await host.pciback.stub.seize(address);
    host.platform.pci.takeFor(address, 'e1000');
    const taken = host.pciback.stub.assign(address, tenantOf(9));
    await expect(taken).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZABLE', facts: { holder: 'e1000' } });
    expect(host.pciback.stub.devices).toEqual([]);
  });

  it('one that it took and gave back is seized anew', async () => {
    await start(card(address, express));
    const seized = await host.pciback.stub.seize(address);
    seized.quarantine = 'a test says so';
    host.platform.pci.takeFor(address, 'e1000');
    host.platform.pci.takeFor(address, undefined);
    const again = await host.pciback.stub.assign(address, tenantOf(9));
    expect([again === seized, again.quarantine]).toEqual([false, undefined]);
    expect(warnings()).toContain('the host took the device away: what was known of it is forgotten: 0000:03:00.0');
    await host.pciback.stub.giveBack(again);
  });
});

describe('a device that stops answering', () => {
  it('is not given to a guest', async () => {
    await start(card(address, express));
    await host.pciback.stub.seize(address);
    host.platform.pci.model(address).isSilent = true;
    await expect(host.pciback.stub.assign(address, tenantOf(9))).rejects.toMatchObject({ code: 'DEVICE_SILENT' });
  });

  it('reads ones to its guest, without an error, and is kept from the next', async () => {
    await start(card(address, express));
    const guest = await booted(address);
    host.platform.pci.model(address).isSilent = true;
    const { seen } = at(guest);
    const answer = await guest.request({ cmd: 0, bus: seen.bus, devfn: seen.devfn, offset: 0x06, size: 2 });
    expect([answer.err, answer.value]).toEqual([0, 0xffff]);
    await end(guest);
    expect(host.pciback.stub.devices[0]?.quarantine).toContain('does not answer');
  });
});

describe('a virtual function', () => {
  it('gets MSI-X although its own decode bit is wired to 0', async () => {
    const vf = sample('igb-vf');
    await start(sample('igb'), vf);
    const guest = await booted(vf.bdf);
    expect(guest.report().devices[0]?.driver?.interrupts).toBe('msix');
    expect(host.platform.pci.model(vf.bdf).peek(0x04, 2) & 2).toBe(0);
  });

  it('is released before its physical function, unless a guest has it', async () => {
    const [pf, vf] = [sample('igb'), sample('igb-vf')];
    await start(pf, vf);
    await host.pciback.stub.seize(pf.bdf);
    await host.pciback.stub.seize(vf.bdf);
    await host.pciback.stub.release(pf.bdf);
    expect(host.pciback.stub.devices).toEqual([]);
    expect(host.lines.filter(({ message }) => message === 'device released').map(({ facts }) => facts.bdf)).toEqual([
      '0000:02:10.0',
      '0000:02:00.0',
    ]);
  });
});

describe('a reset that takes time', () => {
  it('is waited for: the device is restored when it answers again', async () => {
    await start(card(address, express));
    const model = host.platform.pci.model(address);
    model.resetTakes = () => new Promise((resolve) => setTimeout(resolve, 30));
    const seized = await host.pciback.stub.seize(address);
    expect([seized.quarantine, BigInt(model.peek(BAR0, 4))]).toEqual([undefined, model.resources[0]?.start]);
  });
});

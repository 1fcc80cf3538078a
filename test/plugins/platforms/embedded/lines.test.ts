// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { bdf as address, formatBdf } from '../../../../core/bdf.ts';
import type { LineVerdict } from '../../../../core/platform/index.ts';
import { type DeviceImage, type PciModel, sample } from '../../../../plugins/platforms/embedded/index.ts';
import type { RcFile } from '../../../../plugins/program/config.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../../kit/embedded-host.ts';

const LINE = 19;
/** Interrupts after which the host of these tests judges a line. */
const JUDGED_AFTER = 100;
const nic = sample('rtl8139');
/** The same card in another slot, on the same line. */
const second: DeviceImage = { ...nic, bdf: address(0, 0x05, 0x28) };
const usb = sample('uhci-2');

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (): Promise<void> => {
  for (let i = 0; i < 4; i += 1) await turn();
};

let host: EmbeddedHost;
const start = async (config: RcFile = {}): Promise<void> => {
  host = await startEmbeddedHost({ devices: [nic, second, usb], nobodyCaresAfter: JUDGED_AFTER, config });
};
afterEach(async () => {
  await host.close();
  expect(host.platform.hypervisor.ledger().illegal).toEqual([]);
});

const model = (image: DeviceImage): PciModel => host.platform.pci.model(image.bdf);
const line = () => host.platform.lines.report(LINE);
const handlerOf = (image: DeviceImage) => {
  const assignment = host.pciback.stub.devices.find((one) => one.bdf === image.bdf)?.assignment;
  if (assignment === undefined) throw new Error('not assigned');
  return assignment.interrupts;
};

/** A driver of the host for its USB controller, which counts what it served. */
const hostDriver = () => {
  const device = model(usb);
  const driver = { served: 0 };
  const interrupt = (): LineVerdict => {
    if (!device.drivesLine) return 'not mine';
    device.lowerLine();
    driver.served += 1;
    return 'handled';
  };
  host.platform.lines.installDriver(LINE, 'uhci_hcd:usb2', interrupt);
  return driver;
};

const boot = async (...devices: DeviceImage[]) => {
  const guest = await host.guest(devices.map((one) => one.bdf));
  await guest.reached(4);
  return guest;
};

/** The device asks for service so many times, and is served each time by its guest. */
const ask = async (image: DeviceImage, times: number): Promise<void> => {
  for (let i = 0; i < times; i += 1) {
    model(image).raiseLine();
    await turns();
    if (model(image).drivesLine) throw new Error('the guest has not served its device');
  }
};

describe('line interrupts of a guest', () => {
  it('come to its driver by the PIRQ of config 0x3c, and the line is quiet afterwards', async () => {
    await start();
    const guest = await boot(nic);
    expect(guest.report().devices[0]?.driver).toMatchObject({ interrupts: 'line', vectors: [LINE] });
    await ask(nic, 5);
    expect(guest.report().lines).toEqual({ [LINE]: 5 });
    expect(line()).toMatchObject({ asserted: false, domains: [guest.domain] });
  });

  it('come again as long as the device asks', async () => {
    await start();
    const guest = await boot(nic, second);
    model(nic).raiseLine();
    model(second).raiseLine();
    await turns();
    expect(guest.report().lines[LINE]).toBeGreaterThan(0);
    expect(line().asserted).toBe(false);
  });

  it('come to both of two guests whose devices share a line; each serves its own', async () => {
    // The second is made of the first: its BARs lie where those of the first are.
    await start({ allowSharedPages: [formatBdf(second.bdf)] });
    const one = await boot(nic);
    const two = await boot(second);
    expect(line().domains).toEqual([one.domain, two.domain]);
    expect(host.platform.lines.isShared(LINE)).toBe(true);
    await ask(nic, 3);
    await ask(second, 2);
    expect(one.report().lines[LINE]).toBeGreaterThanOrEqual(5);
    expect(two.report().lines[LINE]).toBeGreaterThanOrEqual(5);
    await host.platform.toolstack.destroy(two.domain);
    expect(line().domains).toEqual([one.domain]);
    await ask(nic, 1);
  });

  it('are not given to a domain that the toolstack mapped nothing for, nor shared with one that does not share', async () => {
    await start();
    const guest = await boot(nic);
    const { hypervisor } = host.platform;
    const other = hypervisor.createDomain();
    const bind = (sharing: 'shared' | 'exclusive') => other.bindPirq(LINE, sharing, () => undefined);
    expect(() => bind('shared')).toThrow(expect.objectContaining({ errno: 22 }));
    hypervisor.mapLine(other.domain, LINE);
    expect(() => bind('exclusive')).toThrow(expect.objectContaining({ errno: 16 }));
    const channel = bind('shared');
    expect(() => bind('shared')).toThrow(expect.objectContaining({ errno: 17 }));
    expect(line().domains).toEqual([guest.domain, other.domain]);
    channel.close();
    expect(line().domains).toEqual([guest.domain]);
  });

  it('stay away while INTX_DISABLE is set or MSI is in use, as on hardware', async () => {
    await start();
    const guest = await boot(nic);
    const device = model(nic);
    const command = device.peek(4, 2);
    device.writeConfig(4, 2, command | 0x400);
    device.raiseLine();
    await turns();
    expect(guest.report().lines).toEqual({});
    // The request stands: it shows in the status register, and drives the line as soon as it may.
    expect(device.peek(6, 2) & 8).toBe(8);
    device.writeConfig(4, 2, command);
    await turns();
    expect(guest.report().lines).toEqual({ [LINE]: 1 });
  });
});

describe('a line that the host uses too', () => {
  it('with the dummy handler, the host keeps its own device (seed 0513fe9e5b)', async () => {
    await start();
    const driver = hostDriver();
    const guest = await boot(nic);
    expect(line().actions).toEqual(['uhci_hcd:usb2', `xen-pciback[${formatBdf(nic.bdf)}]`]);
    await ask(nic, 3 * JUDGED_AFTER);
    expect(line().shutOff).toBe(false);
    model(usb).raiseLine();
    expect(driver.served).toBe(1);
    expect(guest.report().lines[LINE]).toBeGreaterThanOrEqual(3 * JUDGED_AFTER);
    expect(handlerOf(nic).line).toMatchObject({ on: true, acknowledging: true });
    expect(handlerOf(nic).line?.handled).toBeGreaterThanOrEqual(3 * JUDGED_AFTER);
  });

  it('without it, nobody there cares, and the host loses its own device', async () => {
    await start();
    const driver = hostDriver();
    await boot(nic);
    handlerOf(nic).toggleLine();
    expect(line().actions).toEqual(['uhci_hcd:usb2']);
    await ask(nic, JUDGED_AFTER - 1);
    expect(line().shutOff).toBe(false);
    await ask(nic, 1);
    expect(line().shutOff).toBe(true);
    model(usb).raiseLine();
    await turns();
    expect(driver.served).toBe(0);
    model(usb).lowerLine();
  });

  it('the handler leaves with the guest', async () => {
    await start();
    hostDriver();
    const guest = await boot(nic);
    await guest.stop();
    await host.platform.toolstack.destroy(guest.domain);
    expect(line()).toMatchObject({ actions: ['uhci_hcd:usb2'], domains: [] });
  });

  it('the handler asks at its 1000th interrupt whether a guest has the line, and gives up when none has', async () => {
    await start();
    hostDriver();
    const guest = await boot(nic);
    const queries = () => host.platform.hypervisor.trace.filter((call) => call === `irq_status_query ${LINE}`);
    // The guest's kernel dies: its device goes on asking, and its channel stays with the domain until it is destroyed.
    host.platform.hypervisor.unmapPirq(guest.domain, LINE);
    const { lines } = host.platform;
    const raise = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i += 1) {
        model(nic).raiseLine();
        model(nic).lowerLine();
      }
      await turns();
    };
    await raise(999);
    expect(queries()).toEqual([]);
    await raise(1);
    expect(queries()).toHaveLength(1);
    expect(lines.isShared(LINE)).toBe(false);
    expect(handlerOf(nic).line).toMatchObject({ on: true, acknowledging: false, handled: 1000 });
    await raise(JUDGED_AFTER);
    expect(line().shutOff).toBe(true);
  });
});

describe('the views of an operator', () => {
  it('show each handler, and toggle it', async () => {
    await start();
    const guest = await boot(nic);
    const ask = (op: string, args: object) =>
      host.parts
        .operations()
        .get(op)
        ?.answer({ ...args });
    const bdf = formatBdf(nic.bdf);
    const expected = { bdf, guest: guest.domain, name: `xen-pciback[${bdf}]`, irq: LINE, handled: 0 };
    expect(await ask('irq-handlers', {})).toEqual({ handlers: [{ ...expected, on: true, acknowledging: true }] });
    expect(await ask('irq-toggle', { bdf })).toEqual({ ...expected, on: false, acknowledging: false });
    expect(line().actions).toEqual([]);
    expect(await ask('irq-toggle', { bdf })).toMatchObject({ on: true, acknowledging: true });
    await expect(ask('irq-toggle', { bdf: '0000:7f:00.0' })).rejects.toMatchObject({ code: 'DEVICE_NOT_SEIZED' });
  });
});

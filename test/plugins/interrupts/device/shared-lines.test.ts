// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../../core/bdf.ts';
import { Errno, HostError, type LineInterrupts, type Platform } from '../../../../core/platform/index.ts';
import { statusOf } from '../../../../plugins/control/index.ts';
import { type EmbeddedPlatform, sample } from '../../../../plugins/platforms/embedded/index.ts';
import type { ConfigInput } from '../../../../plugins/program/schema.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../../kit/embedded-host.ts';

const LINE = 19;
const INTX_DISABLE = 0x0400;
const nic = sample('rtl8139');
const usb = sample('uhci-2');

/** A host whose kernel takes no handler from user space, as a real dom0. */
const withoutHandlers = (platform: EmbeddedPlatform): Platform => {
  const lines: LineInterrupts = {
    canClaim: false,
    claim: (_device, name) => {
      throw new HostError(name, Errno.EOPNOTSUPP);
    },
    isShared: (line) => platform.lines.isShared(line),
    hostUsers: (line) => platform.lines.hostUsers(line),
  };
  // The platform's own methods, but for the lines.
  return Object.create(platform, { lines: { value: lines } });
};

let host: EmbeddedHost;
const start = async (user: 'used by the host' | 'its own', config: ConfigInput = {}): Promise<void> => {
  host = await startEmbeddedHost({ devices: [nic, usb], config, between: withoutHandlers });
  if (user === 'used by the host') host.platform.lines.installDriver(LINE, 'uhci_hcd:usb2', () => 'not mine');
};
afterEach(() => host.close());

const boot = async () => {
  const guest = await host.guest([nic.bdf]);
  await guest.reached(4);
  return guest;
};
const model = () => host.platform.pci.model(nic.bdf);
const interrupt = async () => {
  model().raiseLine();
  for (let i = 0; i < 5; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
};
const refusals = () => host.lines.filter(({ message }) => message === 'line interrupt refused');

describe('a line interrupt on a host that takes no handler', () => {
  it('works where the device has its line for itself', async () => {
    await start('its own');
    const guest = await boot();
    await interrupt();
    expect(guest.report().lines).toEqual({ [LINE]: 1 });
    expect(refusals()).toEqual([]);
    expect(host.pciback.stub.devices[0]?.assignment?.interrupts.line).toMatchObject({
      on: false,
      acknowledging: false,
    });
  });

  it('is refused where a driver of the host uses the line: INTX_DISABLE stays set, and the guest sees its own bit', async () => {
    await start('used by the host');
    const guest = await boot();
    expect(model().peek(4, 2) & INTX_DISABLE).toBe(INTX_DISABLE);
    const seen = await guest.request({ cmd: 0, domain: 0, bus: 0, devfn: 0, offset: 4, size: 2 });
    expect(seen.value & INTX_DISABLE).toBe(0);
    // The guest may ask for it as often as it likes.
    for (const value of [0x407, 0x0, 0x7]) {
      await guest.request({ cmd: 1, domain: 0, bus: 0, devfn: 0, offset: 4, size: 2, value });
      expect(model().peek(4, 2) & INTX_DISABLE).toBe(INTX_DISABLE);
    }
    await interrupt();
    expect(guest.report().lines).toEqual({});
    expect(host.platform.lines.report(LINE).asserted).toBe(false);
  });

  it('is refused with one line in the log that says what to do, and shows in the status', async () => {
    await start('used by the host');
    await boot();
    expect(refusals()).toMatchObject([
      {
        level: 'warn',
        facts: {
          bdf: formatBdf(nic.bdf),
          why: expect.stringContaining('uhci_hcd:usb2'),
          next: expect.stringContaining('sharedLines: "allow"'),
        },
      },
    ]);
    const { devices } = statusOf(host.pciback, []);
    expect(devices).toMatchObject([{ bdf: formatBdf(nic.bdf), lineRefused: expect.stringContaining('line 19') }]);
  });

  it('is given where the operator allows it', async () => {
    await start('used by the host', { sharedLines: 'allow' });
    const guest = await boot();
    expect(model().peek(4, 2) & INTX_DISABLE).toBe(0);
    expect(guest.report().devices[0]?.driver?.interrupts).toBe('line');
    expect(refusals()).toEqual([]);
  });

  it('is refused to a second guest on the line, until the first has gone, and given where that is allowed', async () => {
    await start('its own');
    const first = await boot();
    expect(refusals()).toEqual([]);
    const second = await host.guest([usb.bdf]);
    await second.reached(4);
    expect(host.platform.pci.model(usb.bdf).peek(4, 2) & INTX_DISABLE).toBe(INTX_DISABLE);
    expect(refusals()).toMatchObject([
      { facts: { why: `line ${LINE} is also used by ${formatBdf(nic.bdf)} of domain ${first.domain}` } },
    ]);
    host.platform.pci.model(usb.bdf).raiseLine();
    expect(host.platform.lines.report(LINE).asserted).toBe(false);
    await interrupt();
    expect(first.report().lines).toEqual({ [LINE]: 1 });
    await second.stop();
    await host.platform.toolstack.destroy(second.domain);
    await first.stop();
    await host.platform.toolstack.destroy(first.domain);
    const third = await host.guest([usb.bdf]);
    await third.reached(4);
    expect(host.platform.pci.model(usb.bdf).peek(4, 2) & INTX_DISABLE).toBe(0);
    await host.close();
    await start('its own', { sharedLines: 'allow' });
    await boot();
    await (await host.guest([usb.bdf])).reached(4);
    expect(host.platform.pci.model(usb.bdf).peek(4, 2) & INTX_DISABLE).toBe(0);
  });

  it('is no concern between devices of one guest', async () => {
    await start('its own');
    const guest = await host.guest([nic.bdf, usb.bdf]);
    await guest.reached(4);
    expect(refusals()).toEqual([]);
  });

  it('leaves nothing behind: the next guest has the line, once the driver is gone', async () => {
    await start('its own');
    const driver = host.platform.lines.installDriver(LINE, 'uhci_hcd:usb2', () => 'not mine');
    const first = await boot();
    await first.stop();
    await host.platform.toolstack.destroy(first.domain);
    driver.release();
    const guest = await boot();
    await interrupt();
    expect(guest.report().lines).toEqual({ [LINE]: 1 });
  });

  it('costs the guest a device that cannot be kept from its line', async () => {
    await start('used by the host');
    // Before PCI 2.3 the bit did not exist.
    const device = model();
    const write = device.writeConfig.bind(device);
    device.writeConfig = (offset, size, value) => write(offset, size, offset === 4 ? value & ~INTX_DISABLE : value);
    await host.pciback.stub.seize(nic.bdf);
    const domain = await host.platform.toolstack.create({ devices: [nic.bdf] });
    await host.platform.startGuest({ domain, driver: 'none' });
    const told = () => host.lines.find(({ message }) => message === 'device not exported');
    for (let i = 0; i < 500 && told() === undefined; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(told()?.facts.error).toMatch(/INTX_DISABLE.*uhci_hcd:usb2/);
    expect(host.pciback.stub.devices[0]?.assignment).toBeUndefined();
  });
});

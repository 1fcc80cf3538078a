// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import { definePlugin } from '../../../core/plugin/definition.ts';
import { limitsOf } from '../../../plugins/interrupts/line-limits.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { policyFacts } from './policies.ts';

const { identity } = policyFacts().device;
const limits = (vendor: number, device: number, revision = 0) => limitsOf({ ...identity, vendor, device, revision });

const stops = { disableStopsMessages: true, maskingBroken: false };
const broken = { disableStopsMessages: false, maskingBroken: true };

describe('what is known of line interrupts', () => {
  it.each([
    ['tg3 5780', 0x14e4, 0x166a, 0, stops],
    ['SB700 SATA', 0x1002, 0x4390, 0, stops],
    ['SB600 HDA, which is none of them', 0x1002, 0x4383, 0, undefined],
    ['AR8131', 0x1969, 0x1063, 0xff, stops],
    ['AR8161, first revisions', 0x1969, 0x1091, 0x17, stops],
    ['AR8161, later', 0x1969, 0x1091, 0x18, undefined],
    ['RTL8169', 0x10ec, 0x8169, 0, broken],
    ['X710', 0x8086, 0x1572, 0, broken],
    ['X722', 0x8086, 0x37d2, 0, broken],
    ['82574L', 0x8086, 0x10d3, 0, undefined],
  ])('%s', (_name, vendor, device, revision, expected) => {
    expect(limits(vendor, device, revision)).toEqual(expected);
  });

  it('the lists have their lengths', () => {
    const all = [0x1002, 0x1102, 0x10ec, 0x1425, 0x14e4, 0x1814, 0x1969, 0x1b7c, 0x8086].flatMap((vendor) =>
      Array.from({ length: 0x10000 }, (_, device) => limits(vendor, device) ?? []).flat(),
    );
    expect(all.filter((one) => one.disableStopsMessages)).toHaveLength(25);
    expect(all.filter((one) => one.maskingBroken)).toHaveLength(21);
  });
});

const nic = sample('e1000e').bdf;
const COMMAND = 0x04;
const INTX_OFF = 0x0400;

let host: EmbeddedHost | undefined;
afterEach(async () => {
  await host?.close();
  host = undefined;
});

/** The sample as if it were a device with these limits, in the hands of a guest whose writes reach INTX_DISABLE. */
const assigned = async (special: object) => {
  const facts = definePlugin({
    name: 'test/facts',
    api: '^1.0',
    apply: (facade) => {
      facade.hooks.interruptLimits.tap(() => special);
    },
  });
  host = await startEmbeddedHost({
    devices: [sample('e1000e')],
    plugins: [facts],
    config: { allowInterruptControl: [formatBdf(nic)] },
  });
  const guest = await host.guest([nic]);
  const driver = (await guest.reached(4)).devices[0]?.driver;
  const [device] = host.pciback.stub.devices;
  if (device?.assignment === undefined) throw new Error('not assigned');
  const { space } = device.assignment;
  const intxOff = () => (device.operations.hardware.readConfig(COMMAND, 2) & INTX_OFF) !== 0;
  return { driver, intxOff, write: (value: number) => space.write(COMMAND, 2, value) };
};

describe('limits at work', () => {
  it('none: INTX_DISABLE comes on with messages', async () => {
    const { driver, intxOff } = await assigned({});
    expect(driver?.interrupts).toBe('msix');
    expect(intxOff()).toBe(true);
  });

  it('disableStopsMessages: it stays clear while messages are on, whatever the guest writes', async () => {
    const { driver, intxOff, write } = await assigned({ disableStopsMessages: true });
    expect(driver?.interrupts).toBe('msix');
    expect(intxOff()).toBe(false);
    for (const value of [0x0006, 0x0406]) expect(write(value)).toBe(0);
    expect(intxOff()).toBe(false);
  });

  it('maskingBroken: the guest has the bit to itself', async () => {
    const { intxOff, write } = await assigned({ maskingBroken: true });
    const before = intxOff();
    for (const value of [0x0006, 0x0406, 0x0006]) {
      expect(write(value)).toBe(0);
      expect(intxOff()).toBe(before);
    }
  });
});

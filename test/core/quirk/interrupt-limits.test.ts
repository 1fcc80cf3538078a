// SPDX-License-Identifier: MIT

import { afterEach, describe, expect, it } from 'vitest';
import { formatBdf } from '../../../core/bdf.ts';
import type { InterruptLimits } from '../../../core/interrupts.ts';
import { silent } from '../../../core/log.ts';
import { definePlugin } from '../../../core/plugin/definition.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { defineQuirk, interruptLimitsOf, matches, type QuirkDefinition } from '../../../core/quirk/quirk.ts';
import { bundled } from '../../../plugins/bundled.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import { sample } from '../../../plugins/platforms/embedded/sources.ts';
import { type BundledPlugin, loadByName } from '../../../plugins/program/resolve.ts';
import { type EmbeddedHost, startEmbeddedHost } from '../../kit/embedded-host.ts';
import { policyFacts } from '../../plugins/interrupts/policies.ts';

const { identity } = policyFacts().device;

const plugins = new PluginHost({ kinds, log: silent });
for (const [name, { only }] of Object.entries<BundledPlugin>(bundled))
  if (only === undefined) await loadByName(plugins, name, undefined, { asked: 'test', directory: '/', bundled });
plugins.seal();
const quirks = plugins.registries.quirks.things;

/** What the bundled quirks say together of a device of these ids. */
const limits = (vendor: number, device: number, revision = 0) =>
  interruptLimitsOf(quirks.filter((quirk) => matches(quirk, { ...identity, vendor, device, revision, class: 0 })));

const stops = { disableStopsMessages: true };
const broken = { maskingBroken: true };

describe('what bundled quirks know of line interrupts', () => {
  it.each([
    ['tg3 5780', 0x14e4, 0x166a, 0, stops],
    ['SB700 SATA', 0x1002, 0x4390, 0, stops],
    ['SB600 HDA, which is none of them', 0x1002, 0x4383, 0, {}],
    ['AR8131', 0x1969, 0x1063, 0xff, stops],
    ['AR8161, first revisions', 0x1969, 0x1091, 0x17, stops],
    ['AR8161, later', 0x1969, 0x1091, 0x18, {}],
    ['RTL8169', 0x10ec, 0x8169, 0, broken],
    ['X710', 0x8086, 0x1572, 0, broken],
    ['X722', 0x8086, 0x37d2, 0, broken],
    ['82574L', 0x8086, 0x10d3, 0, {}],
  ])('%s', (_name, vendor, device, revision, expected) => {
    expect(limits(vendor, device, revision)).toEqual(expected);
  });

  it('the lists have their lengths', () => {
    const special = quirks.filter((quirk) => Object.keys(quirk.interruptLimits ?? {}).length > 0);
    const vendors = new Set(special.flatMap((quirk) => quirk.match.map((one) => one.vendor)));
    expect([...vendors].sort((one, other) => one - other)).toEqual([
      0x1002, 0x10ec, 0x1102, 0x1425, 0x14e4, 0x1814, 0x1969, 0x1b7c, 0x8086,
    ]);
    const ofDevice = (vendor: number, device: number) =>
      interruptLimitsOf(special.filter((quirk) => matches(quirk, { ...identity, vendor, device, revision: 0 })));
    const all = [...vendors].flatMap((vendor) =>
      Array.from({ length: 0x10000 }, (_, device) => ofDevice(vendor, device)),
    );
    expect(all.filter((one) => one.disableStopsMessages)).toHaveLength(25);
    expect(all.filter((one) => one.maskingBroken)).toHaveLength(21);
  });
});

describe('quirks of one device', () => {
  const quirk = (name: string, interruptLimits: NonNullable<QuirkDefinition['interruptLimits']>) =>
    defineQuirk({ name, source: 'a data sheet', match: [{ vendor: 0x8086 }], interruptLimits });

  it('add up', () => {
    expect(interruptLimitsOf([])).toEqual({});
    expect(interruptLimitsOf([quirk('a/one', { disableStopsMessages: true })])).toEqual(stops);
    const both = [quirk('a/one', { disableStopsMessages: true }), quirk('a/two', { maskingBroken: true })];
    expect(interruptLimitsOf(both)).toEqual({ ...stops, ...broken });
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

/** The sample with what quirks and taps say of it, in the hands of a guest whose writes reach INTX_DISABLE. */
const assigned = async (said: {
  readonly quirk?: QuirkDefinition['interruptLimits'];
  readonly hook?: InterruptLimits;
}) => {
  const facts = definePlugin({
    name: 'test/facts',
    api: '^1.0',
    apply: (facade) => {
      const { quirk, hook } = said;
      if (hook !== undefined) facade.hooks.interruptLimits.tap(() => hook);
      if (quirk !== undefined) {
        const match = [{ vendor: 0x8086 }];
        facade.quirks.add(defineQuirk({ name: 'test/line', source: 'a data sheet', match, interruptLimits: quirk }));
      }
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

  it.each(['quirk', 'hook'])(
    'disableStopsMessages, said by a %s: it stays clear while messages are on, whatever the guest writes',
    async (by) => {
      const { driver, intxOff, write } = await assigned({ [by]: { disableStopsMessages: true } });
      expect(driver?.interrupts).toBe('msix');
      expect(intxOff()).toBe(false);
      for (const value of [0x0006, 0x0406]) expect(write(value)).toBe(0);
      expect(intxOff()).toBe(false);
    },
  );

  it.each(['quirk', 'hook'])('maskingBroken, said by a %s: the guest has the bit to itself', async (by) => {
    const { intxOff, write } = await assigned({ [by]: { maskingBroken: true } });
    const before = intxOff();
    for (const value of [0x0006, 0x0406, 0x0006]) {
      expect(write(value)).toBe(0);
      expect(intxOff()).toBe(before);
    }
  });

  it('what a tap answers goes before what quirks say', async () => {
    const { driver, intxOff } = await assigned({ quirk: { disableStopsMessages: true }, hook: {} });
    expect(driver?.interrupts).toBe('msix');
    expect(intxOff()).toBe(true);
  });
});

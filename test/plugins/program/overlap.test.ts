// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import { silent } from '../../../core/log.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { type DeviceMatch, defineQuirk, type Quirk } from '../../../core/quirk/quirk.ts';
import { capability, extendedCapability, type FieldSet, header, register } from '../../../core/space/declaration.ts';
import { findOverlap, type OwnedSet, refuseOverlap } from '../../../plugins/program/overlap.ts';
import firmwareWindow from '../../../quirks/15b3-mellanox/firmware-window.ts';

const owned = (owner: string, set: FieldSet, match?: readonly DeviceMatch[]): OwnedSet => ({
  owner,
  set,
  ...(match === undefined ? {} : { match }),
});
const at = (offset: number, mask: number, types: readonly (0 | 1)[] = [0, 1]) =>
  header('set', types, [register(offset, 32, 'r').writable(mask)]);

describe('overlaps of field sets', () => {
  it('are found byte by byte, also between registers that are not aligned to each other', () => {
    expect(findOverlap([owned('a', at(0x40, 0xff000000)), owned('b', at(0x42, 0x0000ff00))])).toEqual({
      register: 'b: set / r',
      other: 'a: set / r',
      offset: '43',
      bits: 'ff',
    });
    expect(findOverlap([owned('a', at(0x40, 0xff000000)), owned('b', at(0x42, 0x00ff00ff))])).toBeUndefined();
  });

  it('need a shared bit, not only a shared byte', () => {
    expect(findOverlap([owned('a', at(0x40, 0x0f)), owned('b', at(0x40, 0xf0))])).toBeUndefined();
    expect(findOverlap([owned('a', at(0x40, 0x1f)), owned('b', at(0x40, 0xf0))])?.bits).toBe('10');
  });

  it('are found within one set', () => {
    const set = header('set', [0], [register(0x40, 16, 'one').writable(), register(0x41, 8, 'two').readOnly()]);
    expect(findOverlap([owned('a', set)])).toMatchObject({ register: 'a: set / two', other: 'a: set / one' });
  });

  it('are found against sets that are there, which are not compared with each other', () => {
    const there = [owned('a', at(0x40, 1)), owned('b', at(0x40, 1))];
    expect(findOverlap([], there)).toBeUndefined();
    expect(findOverlap([owned('c', at(0x44, 1))], there)).toBeUndefined();
    expect(findOverlap([owned('c', at(0x40, 1))], there)?.other).toBe('a: set / r');
  });

  it('are none between the forms of one capability that one plugin tells apart', () => {
    const registers = [register(8, 32, 'upper').writable()];
    const form = (when: FieldSet['when']) => capability(0x05, 'form', registers, when === undefined ? {} : { when });
    const always = () => true;
    expect(findOverlap([owned('a', form(always)), owned('a', form(always))])).toBeUndefined();
    expect(findOverlap([owned('a', form(always)), owned('b', form(always))])).toBeDefined();
    expect(findOverlap([owned('a', form(always)), owned('a', form(undefined))])).toBeDefined();
  });

  it('need the same anchor', () => {
    const registers = [register(4, 16, 'control').writable()];
    const sets = [
      capability(0x01, 'x', registers),
      capability(0x05, 'x', registers),
      extendedCapability(0x01, 'x', registers),
      header('x', [0], registers),
      header('x', [1], registers),
    ];
    expect(findOverlap(sets.map((set, index) => owned(String(index), set)))).toBeUndefined();
    for (const set of sets) expect(findOverlap([owned('a', set), owned('b', set)])).toBeDefined();
    expect(findOverlap([owned('a', at(0x40, 1, [0])), owned('b', at(0x40, 1, [0, 1]))])).toBeDefined();
  });

  it.each<[string, DeviceMatch, DeviceMatch, boolean]>([
    ['the same ids', { vendor: 1, device: 2 }, { vendor: 1, device: 2 }, true],
    ['another vendor', { vendor: 1, device: 2 }, { vendor: 2, device: 2 }, false],
    ['another device', { vendor: 1, device: 2 }, { vendor: 1, device: 3 }, false],
    ['one for all devices of the vendor', { vendor: 1 }, { vendor: 1, device: 3 }, true],
    ['another subsystem', { vendor: 1, subsystemDevice: 1 }, { vendor: 1, subsystemDevice: 2 }, false],
    ['subsystems of which one is open', { vendor: 1, subsystemDevice: 1 }, { vendor: 1, subsystemVendor: 2 }, true],
    [
      'revisions that meet at their ends',
      { vendor: 1, revisions: { from: 0, to: 0x17 } },
      { vendor: 1, revisions: { from: 0x17, to: 0xff } },
      true,
    ],
    [
      'revisions that do not meet',
      { vendor: 1, revisions: { from: 0, to: 0x16 } },
      { vendor: 1, revisions: { from: 0x17, to: 0xff } },
      false,
    ],
    ['revisions and every one', { vendor: 1, revisions: { from: 0, to: 1 } }, { vendor: 1 }, true],
    [
      'another class',
      { vendor: 1, class: { value: 0x020000, mask: 0xff0000 } },
      { vendor: 1, class: { value: 0x030000, mask: 0xff0000 } },
      false,
    ],
    [
      'classes that differ where one does not look',
      { vendor: 1, class: { value: 0x020000, mask: 0xff0000 } },
      { vendor: 1, class: { value: 0x028000, mask: 0xffff00 } },
      true,
    ],
    [
      'ranges of devices that meet at their ends',
      { vendor: 1, devices: { from: 0x10, to: 0x1f } },
      { vendor: 1, devices: { from: 0x1f, to: 0x2f } },
      true,
    ],
    [
      'ranges of devices that do not meet',
      { vendor: 1, devices: { from: 0x10, to: 0x1f } },
      { vendor: 1, devices: { from: 0x20, to: 0x2f } },
      false,
    ],
    [
      'a range around the other',
      { vendor: 1, devices: { from: 0x10, to: 0x1f } },
      { vendor: 1, devices: { from: 0x00, to: 0x2f } },
      true,
    ],
    ['a device below a range', { vendor: 1, device: 0x0f }, { vendor: 1, devices: { from: 0x10, to: 0x1f } }, false],
    [
      'the first device of a range',
      { vendor: 1, device: 0x10 },
      { vendor: 1, devices: { from: 0x10, to: 0x1f } },
      true,
    ],
    ['a range and every device', { vendor: 1 }, { vendor: 1, devices: { from: 0x10, to: 0x1f } }, true],
    [
      'a device and a class, of which only the device’s table can tell',
      { vendor: 1, device: 2 },
      { vendor: 1, class: { value: 0x020000, mask: 0xff0000 } },
      false,
    ],
    [
      'a range of devices and a class',
      { vendor: 1, devices: { from: 0, to: 9 } },
      { vendor: 1, class: { value: 0x020000, mask: 0xff0000 } },
      false,
    ],
    [
      'a device with its class and that class',
      { vendor: 1, device: 2, class: { value: 0x020000, mask: 0xff0000 } },
      { vendor: 1, class: { value: 0x020000, mask: 0xff0000 } },
      true,
    ],
    [
      'a device with its class and that device',
      { vendor: 1, device: 2, class: { value: 0x020000, mask: 0xff0000 } },
      { vendor: 1, device: 2 },
      true,
    ],
    ['every device and a class', { vendor: 1 }, { vendor: 1, class: { value: 0x020000, mask: 0xff0000 } }, true],
    ['another function', { vendor: 1, function: 0 }, { vendor: 1, function: 1 }, false],
    ['one function and every function', { vendor: 1, function: 1 }, { vendor: 1 }, true],
  ])('of quirks need a device that both are for: %s', (_what, one, other, found) => {
    const sets = [owned('a', at(0x40, 1), [{ vendor: 9 }, one]), owned('b', at(0x40, 1), [other])];
    expect(findOverlap(sets) !== undefined).toBe(found);
  });

  it('of a quirk with a field of all devices are found', () => {
    expect(findOverlap([owned('q', at(0x40, 1), [{ vendor: 1 }])], [owned('f', at(0x40, 1))])).toBeDefined();
  });
});

describe('a condition that excludes the devices of a quirk', () => {
  const quirk = (match: DeviceMatch) => owned('q', at(0x40, 1), [match]);
  const field = (when: FieldSet['when']) => owned('f', { ...at(0x40, 1), ...(when === undefined ? {} : { when }) });
  it.each<[string, FieldSet['when'], DeviceMatch, boolean]>([
    ['another vendor', ({ identity }) => identity.vendor === 2, { vendor: 1 }, false],
    ['the same vendor', ({ identity }) => identity.vendor === 1, { vendor: 1 }, true],
    ['another device', ({ identity }) => identity.device === 2, { vendor: 1, device: 1 }, false],
    ['a device that the quirk does not tell', ({ identity }) => identity.device === 2, { vendor: 1 }, true],
    [
      'another class',
      ({ identity }) => identity.class === 2,
      { vendor: 1, class: { value: 1, mask: 0xffffff } },
      false,
    ],
    ['what only hardware knows', (device) => device.readConfig(0, 4) === 0, { vendor: 1 }, true],
  ])('is no conflict: %s', (_, when, match, found) => {
    expect(findOverlap([field(when)], [quirk(match)]) !== undefined).toBe(found);
    expect(findOverlap([quirk(match)], [field(when)]) !== undefined).toBe(found);
  });

  it('is none with the window of mellanox in the vendor’s capability', async () => {
    const host = new PluginHost({ check: refuseOverlap, log: silent });
    await host.load(firmwareWindow, undefined, 'test');
    const window = (vendor: number) =>
      capability(0x09, 'acme window', [register(0x04, 32, 'doorbell').writable()], {
        when: ({ identity }) => identity.vendor === vendor,
      });
    const load = (name: string, vendor: number) =>
      host.load(
        definePlugin({ name, api: '^1.0', apply: (to) => void to.fields.add(window(vendor)) }),
        undefined,
        'test',
      );
    await load('acme/window', 0x1234);
    await expect(load('acme/mellanox', 0x15b3)).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
  });
});

describe('a host that loads plugins and quirks', () => {
  const [here, there] = [bdf(0, 3, 0), bdf(0, 4, 0)];
  const one = register(0x50, 8, 'window').writable();
  const quirk = (name: string, only?: Quirk['only']): Quirk => ({
    ...defineQuirk({ name, source: 'a test', match: [{ vendor: 1 }], fields: [one] }),
    ...(only === undefined ? {} : { only }),
  });

  it.each<[string, Quirk['only'], Quirk['only'], boolean]>([
    ['the same function', [here], [there, here], true],
    ['different functions', [here], [there], false],
    ['one function and all', [here], undefined, true],
    ['all and one function', undefined, [here], true],
  ])('refuses quirks for the same bits that are limited to %s: %s, %s: %s', async (_what, first, second, refused) => {
    const host = new PluginHost({ check: refuseOverlap, log: silent });
    await host.load(quirk('acme/one', first), undefined, 'test');
    const loading = host.load(quirk('acme/other', second), undefined, 'test');
    if (refused) await expect(loading).rejects.toMatchObject({ code: 'FIELD_OVERLAP' });
    else await expect(loading).resolves.toBeDefined();
  });

  it('compares nothing without being told how: what lies over each other is found in the devices that have it', async () => {
    const host = new PluginHost({ log: silent });
    for (const name of ['acme/one', 'acme/other']) await host.load(quirk(name), undefined, 'test');
    expect(host.registries.quirks.names).toEqual(['acme/one', 'acme/other']);
  });
});

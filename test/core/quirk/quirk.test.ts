// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { bdf } from '../../../core/bdf.ts';
import {
  type DeviceMatch,
  defineQuirk,
  hide,
  limitConfigSize,
  matches,
  type QuirkDefinition,
  register,
} from '../../../quirks/index.ts';
import { FakeFunction } from '../../kit/fake-function.ts';

const good: QuirkDefinition = {
  name: 'acme/nic',
  source: 'data sheet',
  match: [{ vendor: 0x1234 }],
  fields: [register(0x40, 8, 'r').writable()],
};
const define = (change: Partial<QuirkDefinition>) => defineQuirk({ ...good, ...change });
const match = (one: DeviceMatch) => define({ match: [one] });

describe('a quirk is refused when', () => {
  it.each<[string, Partial<QuirkDefinition>, string]>([
    ['its name has capitals', { name: 'ACME/nic' }, 'name: use lower-case words'],
    ['it has no source', { source: ' ' }, 'source: say where'],
    ['it names no device', { match: [] }, 'match: name at least one'],
    ['it does nothing', { fields: [] }, 'fields: declare at least one'],
    ['a register claims nothing', { fields: [register(0x40, 8, 'r')] }, 'register r: it claims no bit'],
    ['a limit is no multiple of 4', { surgery: [limitConfigSize(0xa2)] }, 'surgery: a config size of 162'],
    ['a limit is within the header', { surgery: [limitConfigSize(0x3c)] }, 'surgery: a config size of 60'],
    [
      'what is special about its line is a typing error',
      { interruptLimits: { maskingbroken: true } as object },
      'interruptLimits.maskingbroken: say disableStopsMessages: true, maskingBroken: true, or leave it out',
    ],
    [
      'what is special about its line is false',
      { interruptLimits: { maskingBroken: false } as object },
      'interruptLimits.maskingBroken: say',
    ],
    ['a limit is above config space', { surgery: [limitConfigSize(4100)] }, 'surgery: a config size of 4100'],
  ])('%s', (_what, change, message) => {
    expect(() => define(change)).toThrow(message);
  });

  it.each<[DeviceMatch, string]>([
    [{ vendor: 0x12345 }, 'match[0].vendor'],
    [{ vendor: -1 }, 'match[0].vendor'],
    [{ vendor: 1, device: 0x10000 }, 'match[0].device'],
    [{ vendor: 1, subsystemVendor: 1.5 }, 'match[0].subsystemVendor'],
    [{ vendor: 1, subsystemDevice: Number.NaN }, 'match[0].subsystemDevice'],
    [{ vendor: 1, device: 1, devices: { from: 1, to: 2 } }, 'match[0].devices: name one device or several'],
    [{ vendor: 1, devices: { from: 2, to: 1 } }, 'match[0].devices: 2 to 1 is not'],
    [{ vendor: 1, devices: { from: 0, to: 0x10000 } }, 'match[0].devices'],
    [{ vendor: 1, class: { value: 0x1000000, mask: 0xffffff } }, 'match[0].class: value and mask have 24 bits'],
    [{ vendor: 1, class: { value: 0, mask: 0x1000000 } }, 'match[0].class: value and mask have 24 bits'],
    [{ vendor: 1, class: { value: 0, mask: 0 } }, 'match[0].class: the mask'],
    [{ vendor: 1, class: { value: 0x020001, mask: 0xffff00 } }, 'match[0].class: the mask'],
    [{ vendor: 1, function: 8 }, 'match[0].function: 8 is not 0 to 7'],
    [{ vendor: 1, function: -1 }, 'match[0].function'],
    [{ vendor: 1, revisions: { from: 2, to: 1 } }, 'match[0].revisions: 2 to 1 is not'],
    [{ vendor: 1, revisions: { from: 0, to: 0x100 } }, 'match[0].revisions: 0 to 256 is not'],
    [{ vendor: 1, revisions: { from: -1, to: 1 } }, 'match[0].revisions: -1 to 1 is not'],
  ])('its match is %j', (one, message) => {
    expect(() => match(one)).toThrow(message);
  });
});

describe('a quirk is accepted with', () => {
  it('surgery alone, and limits at both ends', () => {
    expect(define({ fields: [], surgery: [hide(0x10)] }).surgery).toHaveLength(1);
    expect(define({ surgery: [limitConfigSize(0x40), limitConfigSize(4096)] }).surgery).toHaveLength(2);
  });

  it('limits of the line interrupt alone', () => {
    const limits = { maskingBroken: true } as const;
    expect(define({ fields: [], interruptLimits: limits }).interruptLimits).toEqual(limits);
  });
});

describe('a quirk matches', () => {
  const { identity } = new FakeFunction({
    identity: {
      bdf: bdf(0, 3, (5 << 3) | 2),
      vendor: 0x1234,
      device: 0x5678,
      subsystemVendor: 0x9abc,
      subsystemDevice: 0xdef0,
      class: 0x0c0330,
      revision: 0x17,
    },
  });

  it.each<[DeviceMatch, boolean]>([
    [{ vendor: 0x1234 }, true],
    [{ vendor: 0x1235 }, false],
    [{ vendor: 0x1234, device: 0x5678 }, true],
    [{ vendor: 0x1234, device: 0x5679 }, false],
    [{ vendor: 0x1234, devices: { from: 0x5678, to: 0x5678 } }, true],
    [{ vendor: 0x1234, devices: { from: 0x5000, to: 0x5678 } }, true],
    [{ vendor: 0x1234, devices: { from: 0x5000, to: 0x5677 } }, false],
    [{ vendor: 0x1234, devices: { from: 0x5679, to: 0x6000 } }, false],
    [{ vendor: 0x1234, subsystemVendor: 0x9abc, subsystemDevice: 0xdef0 }, true],
    [{ vendor: 0x1234, subsystemVendor: 0x9abd }, false],
    [{ vendor: 0x1234, subsystemDevice: 0xdef1 }, false],
    [{ vendor: 0x1234, class: { value: 0x0c0330, mask: 0xffffff } }, true],
    [{ vendor: 0x1234, class: { value: 0x0c0000, mask: 0xff0000 } }, true],
    [{ vendor: 0x1234, class: { value: 0x0c0320, mask: 0xffffff } }, false],
    [{ vendor: 0x1234, function: 2 }, true],
    [{ vendor: 0x1234, function: 0 }, false],
    [{ vendor: 0x1234, revisions: { from: 0x17, to: 0x17 } }, true],
    [{ vendor: 0x1234, revisions: { from: 0x00, to: 0x16 } }, false],
    [{ vendor: 0x1234, revisions: { from: 0x18, to: 0xff } }, false],
  ])('%j: %s', (one, expected) => {
    expect(matches(match(one), identity)).toBe(expected);
    expect(matches({ match: [{ vendor: 1 }, one] }, identity)).toBe(expected);
    expect(matches({ ...match(one), only: [identity.bdf] }, identity)).toBe(expected);
    for (const only of [[], [bdf(0, 4, 0)]]) expect(matches({ ...match(one), only }, identity)).toBe(false);
  });
});

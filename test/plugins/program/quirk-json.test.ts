// SPDX-License-Identifier: MIT

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { capability, extendedCapability, type Register, register } from '../../../core/space/declaration.ts';
import { quirkFromJson, quirkSchema } from '../../../plugins/program/quirk-json.ts';
import { add, defineQuirk, hide, limitConfigSize, type Quirk, relink } from '../../../quirks/index.ts';

const folder = resolve(import.meta.dirname, '../../fixtures/quirks');
const read = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'));

/** What a quirk is, without the methods of its registers. */
const plain = (quirk: Quirk) => {
  const registerOf = ({ offset, width, name, claims }: Register) => ({ offset, width, name, claims });
  return {
    ...quirk,
    sets: quirk.sets.map((set) => ({ ...set, registers: set.registers.map(registerOf) })),
    surgery: quirk.surgery.map((one) =>
      one.kind === 'add' ? { ...one, registers: one.registers.map(registerOf) } : one,
    ),
  };
};

const same: Readonly<Record<string, Quirk>> = {
  'registers.json': defineQuirk({
    name: 'acme/registers',
    source: 'ACME 1234 data sheet, §7.2',
    match: [
      { vendor: 0x1234, device: 0x5678, subsystemVendor: 0x1234, subsystemDevice: 0x0001 },
      { vendor: 0x1234, devices: { from: 0x6000, to: 0x60ff }, function: 1 },
      { vendor: 0x1234, class: { value: 0x020000, mask: 0xff0000 } },
    ],
    fields: [
      register(0xe8, 16, 'device control').writable(0x000f).clearedByOne(0x0010).readOnly(0x0020).reserved(0x0040),
      register(0xf0, 32, 'mailbox').emulated(0xffff0000, 0x12340000).shows(0xab, 0xff),
      register(0xf4, 8, 'own').emulated(0xff),
    ],
  }),
  'capability.json': defineQuirk({
    name: 'acme/capability',
    source: 'ACME 1234 data sheet, §7.3',
    match: [{ vendor: 0x1234, device: 0x5678 }],
    fields: [
      capability(0x09, 'doorbells', [register(0x04, 32, 'doorbell').writable(0xffffffff)]),
      extendedCapability(0x0b, 'counters', [register(0x08, 32, 'counter').clearedByOne(0x80000000)]),
    ],
  }),
  'surgery.json': defineQuirk({
    name: 'acme/surgery',
    source: 'ACME 1234 errata 3, 4 and 5',
    match: [{ vendor: 0x1234, device: 0x5679 }],
    surgery: [
      hide(0x10),
      hide(0x0e, 'extended'),
      relink(0x13, 0xe0),
      add(0x03, 0xf0, [register(0x04, 32, 'data').shows(0x11, 0xffffffff)]),
      limitConfigSize(0x600),
    ],
  }),
  'limits.json': defineQuirk({
    name: 'acme/limits',
    source: 'ACME 1234 errata 6 and 7',
    match: [{ vendor: 0x1234, device: 0x567a, revisions: { from: 0, to: 0x17 } }],
    interruptLimits: { disableStopsMessages: true },
  }),
};

describe('a quirk from JSON', () => {
  it('has a fixture for each kind', () => {
    expect(
      readdirSync(folder)
        .filter((file) => file.endsWith('.json'))
        .sort(),
    ).toEqual(Object.keys(same).sort());
  });

  it.each(Object.keys(same))('%s is the same as in TypeScript', (file) => {
    const expected = same[file];
    if (expected === undefined) throw new Error('no such quirk');
    expect(plain(quirkFromJson(read(file), file))).toEqual(plain(expected));
  });

  const good = {
    name: 'acme/nic',
    source: 'data sheet',
    match: [{ vendor: '1234' }],
    fields: [{ offset: '40', width: 8, name: 'r', writable: 'ff' }],
  };
  const field = (change: object) => ({ ...good, fields: [{ ...good.fields[0], ...change }] });

  /** Every message names the file and the quirk. */
  const at = 'quirk nic.json (acme/nic): ';
  it.each<[string, unknown, string]>([
    ['no object', 3, 'quirk nic.json: the file: expected object, received number'],
    ['without a source', { ...good, source: undefined }, `${at}source: expected string, received undefined`],
    ['with a word too many', { ...good, note: 'x' }, `${at}note: there is no such key; perhaps you meant "name"`],
    ['with a number for an id', { ...good, match: [{ vendor: 4660 }] }, `${at}match[0].vendor: expected string`],
    [
      'with one match and no list',
      { ...good, match: { vendor: '1234' } },
      `${at}match: expected array, received object`,
    ],
    ['with a class that is no pair', { ...good, match: [{ vendor: '1', class: '020000' }] }, `${at}match[0].class`],
    ['with a function that is none', { ...good, match: [{ vendor: '1', function: 8 }] }, `${at}match[0].function`],
    ['with a text that is not hexadecimal', field({ writable: 'xyz' }), `${at}fields[0].writable: a hexadecimal`],
    ['with a width of 24', field({ width: 24 }), `${at}fields[0].width: expected one of 8|16|32`],
    ['with an offset that is none', field({ offset: '1000' }), `${at}fields[0] (r): offset 4096 is outside of config`],
    [
      'with a policy that is none',
      field({ writeable: 'ff' }),
      `${at}fields[0].writeable: there is no such key; perhaps`,
    ],
    [
      'with an initial value for nothing',
      field({ initial: '1' }),
      `${at}fields[0].initial (r): it belongs to emulated`,
    ],
    [
      'with shown bits and no value',
      field({ writable: '0f', shown: 'f0' }),
      `${at}fields[0].value (r): shown bits and`,
    ],
    ['with surgery that is none', { ...good, surgery: [{ cut: '10' }] }, `${at}surgery[0].`],
    [
      'with an empty set',
      { ...good, fields: [{ capability: '09', name: 'x', registers: [] }] },
      `${at}fields[0].registers: `,
    ],
    [
      'with a mask that is too wide, in a set',
      { ...good, fields: [{ capability: '09', name: 'x', registers: [{ ...good.fields[0], writable: '1ff' }] }] },
      `${at}fields[0].registers[0] (r): mask 0x1ff is wider than 8 bits`,
    ],
    ['with no bit claimed', field({ writable: undefined }), `${at}register r: it claims no bit`],
    ['with a mask that is too wide', field({ writable: '1ff' }), `${at}fields[0] (r): mask 0x1ff is wider than 8 bits`],
    ['with a bit claimed twice', field({ readOnly: '80' }), `${at}fields[0] (r): r and r both claim bits`],
    ['that does nothing', { ...good, fields: [] }, `${at}fields: declare at least one register, surgery, or a limit`],
    [
      'with a limit that is false',
      { ...good, interruptLimits: { maskingBroken: false } },
      `${at}interruptLimits.masking`,
    ],
    [
      'with a limit that is none',
      { ...good, interruptLimits: { silent: true } },
      `${at}interruptLimits.silent: there is no`,
    ],
    [
      'with revisions that end before they begin',
      { ...good, match: [{ vendor: '1', revisions: { from: '18', to: '17' } }] },
      `${at}match[0].revisions: 24 to 23 is not a range`,
    ],
  ])('%s is refused, naming the place', (_what, data, message) => {
    expect(() => quirkFromJson(data, 'nic.json')).toThrow(message);
  });
});

describe('the JSON schema of quirks', () => {
  it('says what the keys are', () => {
    const schema = JSON.stringify(quirkSchema());
    for (const key of [
      'name',
      'source',
      'match',
      'fields',
      'surgery',
      'limitConfigSize',
      'relink',
      'revisions',
      'maskingBroken',
    ]) {
      expect(schema).toContain(`"${key}"`);
    }
    expect(schema).toContain('vendor/family');
  });
});

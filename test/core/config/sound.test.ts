// SPDX-License-Identifier: MIT

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultConfig } from '../../../core/config/load.ts';
import { type Config, type ConfigInput, configSchema } from '../../../core/config/schema.ts';
import { saidSoundly } from '../../../core/config/sound.ts';

/** What it says, with the tests on devices told by their texts. */
const told = (config: unknown): unknown =>
  JSON.parse(
    JSON.stringify(config, (_key, value: unknown) =>
      typeof value === 'bigint' || typeof value === 'symbol' || value === undefined ? `(${String(value)})` : value,
    ),
  );

/** Every key, as a sound rc file may have it. */
const every: Required<ConfigInput> = {
  platform: 'xen',
  native: 'koffi',
  plugins: ['./a.ts', ['b', { c: [1, null], d: { e: false } }]],
  quirks: ['nic.json'],
  hide: ['0000:03:00.*', '3:0.1', { vendor: '8086' }, { vendor: '0x10de', device: '1C82' }],
  fields: 'kernel',
  slots: 'passthrough',
  watch: 'never',
  interrupts: 'rate-limited',
  permissive: ['03:00.0'],
  allowInterruptControl: ['03:*.*'],
  sharedLines: 'allow',
  onReset: { failed: 'allow', unsupported: 'quarantine' },
  errors: { deadlineSeconds: 1, onFailure: 'destroy' },
  shutdownSeconds: 0,
  control: false,
  log: { level: 'debug' },
  embedded: { devices: ['samples'] },
  xen: { configPages: false, lane: false, mode: 'drop-in', precedence: false },
  guests: {
    vm: {
      slots: 'vpci',
      interrupts: 'strict',
      devices: { '3:0.0': { permissive: true }, '3:0.1': { allowInterruptControl: false } },
    },
  },
};

const odd = fc.constantFrom<unknown>(
  undefined,
  null,
  '',
  'word',
  ' ',
  '3:0.0',
  '3:20.0',
  '0000:03:00.*',
  '8086',
  '8086\n',
  'kernel',
  'allow',
  'debug',
  0,
  -0,
  1,
  300.5,
  3600,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  true,
  false,
  10n,
  Symbol('s'),
  [],
  {},
  new Date(0),
  new (class {
    level = 'info';
  })(),
  JSON.parse('{ "__proto__": { "level": "info" } }'),
  Object.create({ level: 'info' }),
  Object.create(null),
  Object.defineProperty({}, 'level', { value: 'loud', enumerable: false }),
  { [Symbol('level')]: 1 },
  { constructor: () => 1 },
);

/** A value of the same make with some of its parts exchanged, left out or added. */
const nearly = (value: unknown): fc.Arbitrary<unknown> => {
  const parts = Array.isArray(value)
    ? fc
        .tuple(...value.map(nearly), fc.constantFrom<unknown[]>([], [], [], ['a'], [undefined], [{}]))
        .map((all) => [...all.slice(0, -1), ...(all.at(-1) as unknown[])])
    : typeof value === 'object' && value !== null
      ? fc
          .tuple(
            fc.record(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, nearly(one)])), {
              requiredKeys: [],
              noNullPrototype: true,
            }),
            fc.oneof(
              { weight: 8, arbitrary: fc.constant({}) },
              fc.dictionary(fc.constantFrom('more', 'vendor', 'level', 'constructor', '0000:03:00.0'), odd, {
                noNullPrototype: true,
              }),
            ),
          )
          .map(([known, more]) => ({ ...known, ...more }))
      : fc.constant(value);
  return fc.oneof({ weight: 12, arbitrary: parts }, odd);
};

const schemaSays = (input: unknown): Config | undefined => configSchema.safeParse(input).data;

describe('a sound rc file, read without the schema', () => {
  it.each(Object.keys(every) as (keyof ConfigInput)[])('knows key %s', (key) => {
    const said = saidSoundly({ [key]: every[key] });
    expect(told({ ...defaultConfig(), ...said })).toEqual(told(schemaSays({ [key]: every[key] })));
    expect(said).toHaveProperty(key);
  });

  it('knows them all together, and sections with nothing in them', () => {
    expect(told(saidSoundly(every))).toEqual(told(schemaSays(every)));
    const empty = { onReset: {}, errors: {}, log: {}, embedded: {}, xen: {}, guests: { vm: {} }, plugins: [] };
    expect(told({ ...defaultConfig(), ...saidSoundly(empty) })).toEqual(told(schemaSays(empty)));
  });

  it('says yes only where the schema does, and then the same', () => {
    fc.assert(
      fc.property(nearly(every), (input) => {
        const said = saidSoundly(input);
        if (said === undefined) return;
        expect(told({ ...defaultConfig(), ...said })).toEqual(told(schemaSays(input)));
      }),
      { numRuns: 5000 },
    );
    const accepted: Record<string, number> = {};
    for (const key of Object.keys(every) as (keyof ConfigInput)[]) {
      accepted[key] = 0;
      fc.assert(
        fc.property(nearly(every[key]), (value) => {
          const said = saidSoundly({ [key]: value });
          if (said === undefined) return;
          accepted[key] = (accepted[key] ?? 0) + 1;
          expect(told({ ...defaultConfig(), ...said })).toEqual(told(schemaSays({ [key]: value })));
        }),
        { numRuns: 500 },
      );
    }
    for (const [key, count] of Object.entries(accepted)) expect(count, key).toBeGreaterThan(30);
  });

  it('leaves an object with a constructor of its own to the schema', () => {
    const odd = { constructor: () => 1 };
    for (const input of [{ plugins: [['b', odd]] }, { plugins: [['b', { c: 1, ...odd }]] }, { log: odd }, odd]) {
      expect(saidSoundly(input)).toBeUndefined();
    }
  });

  it('gives each caller what it may change', () => {
    const devices = () => saidSoundly({ embedded: {}, guests: { vm: {} } });
    expect(devices()?.embedded?.devices).not.toBe(devices()?.embedded?.devices);
    expect(devices()?.guests?.vm?.devices).not.toBe(devices()?.guests?.vm?.devices);
  });

  it('tests on devices are the same', () => {
    const [said, schema] = [saidSoundly(every)?.hide ?? [], schemaSays(every)?.hide ?? []];
    const device = { bdf: schema[1]?.address ?? (0 as never), vendor: 0x10de, device: 0x1c82 };
    for (const change of [{}, { vendor: 0x8086 }, { device: 1 }]) {
      const one = { ...device, ...change };
      expect(said.map((pattern) => pattern.matches(one))).toEqual(schema.map((pattern) => pattern.matches(one)));
    }
  });
});

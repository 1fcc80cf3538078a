// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { defaults } from '../../../plugins/program/defaults.ts';
import { keySchemas } from '../../../plugins/program/keys.ts';
import { parseConfig } from '../../../plugins/program/rc-file.ts';
import { type ConfigInput, configSchema } from '../../../plugins/program/schema.ts';

/** What it says, with the tests on devices told by their texts. */
const told = (config: object): unknown => JSON.parse(JSON.stringify(config));

const sound: readonly ConfigInput[] = [
  {},
  { platform: 'xen', native: 'koffi' },
  { plugins: ['./a.ts', ['b', { c: 1 }]], quirks: ['nic.json'] },
  { hide: ['0000:03:00.*', { vendor: '8086' }], permissive: ['03:00.0'], onReset: { failed: 'allow' } },
  { log: { level: 'debug' }, guests: { vm: { slots: 'vpci' } } },
];

describe('an rc file checked key by key', () => {
  it.each(sound)('comes to the same as by the schema of the whole: %j', async (input) => {
    const { sections, ...config } = await parseConfig(input, 'rc', '/');
    expect(sections).toEqual({ file: 'rc', directory: '/', values: {} });
    expect(told(config)).toEqual(told(configSchema.parse(input)));
    expect(Object.keys(config).sort()).toEqual(Object.keys(configSchema.parse(input)).sort());
  });

  it.each(Object.keys(keySchemas))('refuses what the schema of the whole refuses: %s', async (key) => {
    const input = { [key]: Symbol('of no use') };
    expect(configSchema.safeParse(input).success).toBe(false);
    await expect(parseConfig(input, 'rc', '/')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it.each([[], null, 'xen', 3])('refuses %j', async (input) => {
    await expect(parseConfig(input, 'rc', '/')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it.each([JSON.parse('{ "__proto__": {} }'), { constructor: {} }, { more: 1, errors: { x: 2 } }])(
    'keeps the keys of others as sections: %j',
    async (input) => {
      const { sections } = await parseConfig({ ...defaults, ...input }, 'rc', '/');
      expect(Object.entries(sections?.values ?? {})).toEqual(Object.entries(input));
    },
  );
});

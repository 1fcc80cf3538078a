// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { keySchemas } from '../../../core/config/keys.ts';
import { defaultConfig, parseConfig } from '../../../core/config/load.ts';
import { type ConfigInput, configSchema } from '../../../core/config/schema.ts';

/** What it says, with the tests on devices told by their texts. */
const told = (config: object): unknown => JSON.parse(JSON.stringify(config));

const sound: readonly ConfigInput[] = [
  {},
  { platform: 'xen', xen: {}, native: 'koffi' },
  { plugins: ['./a.ts', ['b', { c: 1 }]], quirks: ['nic.json'], control: false },
  { hide: ['0000:03:00.*', { vendor: '8086' }], permissive: ['03:00.0'], onReset: { failed: 'allow' } },
  { log: { level: 'debug' }, embedded: {}, errors: { deadlineSeconds: 5 }, guests: { vm: { slots: 'vpci' } } },
];

describe('an rc file checked key by key', () => {
  it.each(sound)('comes to the same as by the schema of the whole: %j', async (input) => {
    const config = await parseConfig(input, 'rc');
    expect(told(config)).toEqual(told(configSchema.parse(input)));
    expect(Object.keys(config).sort()).toEqual(Object.keys(configSchema.parse(input)).sort());
  });

  it.each(Object.keys(keySchemas))('refuses what the schema of the whole refuses: %s', async (key) => {
    const input = { [key]: Symbol('of no use') };
    expect(configSchema.safeParse(input).success).toBe(false);
    await expect(parseConfig(input, 'rc')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it.each([JSON.parse('{ "__proto__": {} }'), { constructor: {} }, [], null, 'xen', { ...defaultConfig(), more: 1 }])(
    'refuses %j',
    async (input) => {
      await expect(parseConfig(input, 'rc')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    },
  );
});

// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import { definePlugin } from '../../../plugins/kinds/index.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import { NeedfulHost } from '../../../plugins/program/needs.ts';
import { defineQuirk, ids, register } from '../../../quirks/index.ts';

const host = (): NeedfulHost => new NeedfulHost({ log: silent, kinds });
const plugin = (name: string, version: string, needs?: Readonly<Record<string, string>>) =>
  definePlugin({ name, version, api: '^1.0', apply: () => {}, ...(needs === undefined ? {} : { needs }) });
const quirk = defineQuirk({
  name: 'acme/nic',
  source: 'a test',
  match: ids('1234', ['5678']),
  fields: [register(0xe8, 8, 'control').writable(1)],
});
const names = (plugins: NeedfulHost): readonly string[] => plugins.loaded.map(({ name }) => name);

describe('what a plugin needs', () => {
  it('has to be there when it is loaded, in a version that it can use', async () => {
    const plugins = host();
    const top = plugin('acme/top', '1.0.0', { 'acme/base': '^1.2' });
    await expect(plugins.load(top, undefined, 'a')).rejects.toMatchObject({
      code: 'PLUGIN_NEEDS',
      message: expect.stringContaining('plugin acme/top needs "acme/base" ^1.2, which is not loaded.'),
    });
    await plugins.load(plugin('acme/base', '1.1.0'), undefined, 'a');
    await expect(plugins.replace(top, undefined, 'a')).rejects.toThrow(
      /needs "acme\/base" \^1\.2, and 1\.1\.0 is loaded/,
    );
    expect(names(plugins)).toEqual(['acme/base']);
    await plugins.replace(plugin('acme/base', '1.2.0'), undefined, 'a');
    await plugins.load(top, undefined, 'a');
    expect(names(plugins)).toEqual(['acme/base', 'acme/top']);
  });

  it('stays while it is needed, and may be another version that is enough', async () => {
    const plugins = host();
    await plugins.load(plugin('acme/base', '1.2.0'), undefined, 'a');
    await plugins.load(quirk, undefined, 'a');
    await plugins.load(plugin('acme/top', '1.0.0', { 'acme/base': '^1.2', 'acme/nic': '*' }), undefined, 'a');
    const refused = { code: 'PLUGIN_NEEDED', message: expect.stringContaining('plugin acme/top needs it') };
    expect(() => plugins.unload('acme/base')).toThrow(expect.objectContaining(refused));
    expect(() => plugins.unload('acme/nic')).toThrow(expect.objectContaining(refused));
    await expect(plugins.replace(plugin('acme/base', '2.0.0'), undefined, 'a')).rejects.toMatchObject({
      message: expect.stringContaining('plugin acme/top needs it in version ^1.2, and the new one is 2.0.0'),
    });
    await plugins.replace(plugin('acme/base', '1.3.0'), undefined, 'a');
    expect(names(plugins)).toEqual(['acme/nic', 'acme/top', 'acme/base']);
    plugins.unload('acme/top');
    plugins.unload('acme/base');
    expect(names(plugins)).toEqual(['acme/nic']);
  });

  it('is no longer needed by one that was replaced by one without needs, and never keeps anything from ending', async () => {
    const plugins = host();
    await plugins.load(plugin('acme/base', '1.2.0'), undefined, 'a');
    await plugins.load(plugin('acme/top', '1.0.0', { 'acme/base': '^1.2' }), undefined, 'a');
    await plugins.replace(plugin('acme/base', '1.2.1'), undefined, 'a');
    await plugins.replace(plugin('acme/top', '1.0.1'), undefined, 'a');
    plugins.unload('acme/base');
    await plugins.load(plugin('acme/base', '1.2.0'), undefined, 'a');
    await plugins.load(plugin('acme/last', '1.0.0', { 'acme/base': '^1.2' }), undefined, 'a');
    await plugins.replace(plugin('acme/base', '1.2.1'), undefined, 'a');
    plugins.close();
    expect(names(plugins)).toEqual([]);
  });
});

// SPDX-License-Identifier: MIT

import { existsSync, readdirSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silent } from '../../core/log.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { bundled } from '../../plugins/bundled.ts';
import { kinds } from '../../plugins/kinds/kinds.ts';
import { type BundledPlugin, loadByName, resolvePlugin } from '../../plugins/program/resolve.ts';

const names = Object.keys(bundled);
const asker = { asked: 'test', directory: '/', bundled };

describe('the bundled plugins', () => {
  it.each(names)('%s is one plugin or quirk of that name', async (name) => {
    const { things } = await resolvePlugin(name, asker);
    expect(things.map((thing) => thing.name)).toEqual([name]);
  });

  it.each(names)('%s has the same options by default as by its schema, where that comes late', async (name) => {
    const { things } = await resolvePlugin(name, asker);
    for (const thing of things) {
      if (thing.kind !== 'plugin' || thing.options === undefined || !('defaults' in thing.options)) continue;
      expect((await thing.options.schema()).parse({})).toEqual(thing.options.defaults);
    }
  });

  it('go together: no two claim the same bit, name or place', async () => {
    /** On a platform on which those are not loaded that are for others. */
    const onPlatform = async (platform: string): Promise<PluginHost> => {
      const host = new PluginHost({ kinds, log: silent });
      const mine = Object.entries<BundledPlugin>(bundled).filter(
        ([, { only, except }]) => (only === undefined || only === platform) && except !== platform,
      );
      for (const [name] of mine) await loadByName(host, name, undefined, asker);
      host.seal();
      expect(host.loaded.map((one) => one.name)).toEqual(mine.map(([name]) => name));
      return host;
    };
    await onPlatform('vfio-user');
    const host = await onPlatform('xen');
    expect(host.registries.commands.names).toEqual([
      'attach',
      'detach',
      'inject-interrupt',
      'serve',
      'demo',
      'doctor',
      'explain',
      'status',
      'devices',
      'guests',
      'watch',
      'quirk',
      'inject-error',
      'plugins',
      'reload',
      'config',
      'upgrade',
      'completion',
      'metrics',
      'reset',
      'seize',
      'release',
      'attribute',
      'new',
      'irq',
      'health',
      'unit',
    ]);
    expect(host.registries.answerers.names).toEqual(['lane']);
    expect(host.registries.platforms.names).toEqual(['embedded', 'xen', 'vfio-user']);
    expect(host.registries.natives.names).toEqual(['koffi', 'ffi-napi']);
    expect(host.registries.slots.names).toEqual(['vpci', 'passthrough']);
    expect(host.registries.interrupts.names).toEqual([
      'strict',
      'guest-controlled',
      'guest-controlled-2020',
      'intx-only',
      'msi-only',
      'rate-limited',
    ]);
  });

  it('lie under the names of their files', () => {
    const root = resolve(import.meta.dirname, '../..');
    for (const name of names) {
      const vendors = readdirSync(resolve(root, 'quirks')).filter((one) => one.endsWith(`-${name.split('/')[0]}`));
      const places = [
        `plugins/${name}.ts`,
        `plugins/${name}/plugin.ts`,
        ...vendors.map((vendor) => `quirks/${vendor}/${basename(name)}.ts`),
      ];
      expect(
        places.filter((file) => existsSync(resolve(root, file))),
        name,
      ).toHaveLength(1);
    }
  });
});

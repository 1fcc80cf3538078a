// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';
import { silent } from '../../../core/log.ts';
import type { Platform } from '../../../core/platform/index.ts';
import { definePlugin } from '../../../core/plugin/index.ts';
import { PluginHost } from '../../../core/plugin/loader.ts';
import { kinds } from '../../../plugins/kinds/kinds.ts';
import type { PlatformSettings } from '../../../plugins/kinds/platform.ts';
import answerer, { startLane } from '../../../plugins/lane/answerer.ts';
import watch from '../../../plugins/policies/watch.ts';
import { openPlatform } from '../../../plugins/program/platform.ts';
import { parseConfig } from '../../../plugins/program/rc-file.ts';

const openWith = async (plugins: readonly ReturnType<typeof definePlugin>[]): Promise<PlatformSettings> => {
  const host = new PluginHost({ kinds, log: silent });
  let settings: PlatformSettings | undefined;
  const platform = definePlugin({
    name: 'a platform',
    api: '^1.0',
    apply: (to) => {
      to.platforms.add('here', async (given) => {
        settings = given;
        return {} as Platform;
      });
    },
  });
  for (const plugin of [watch, platform, ...plugins]) await host.load(plugin, undefined, 'test');
  await openPlatform(host, await parseConfig({ platform: 'here' }, 'rc', '/'), silent);
  if (settings === undefined) throw new Error('no platform was made');
  return settings;
};

describe('the answering thread', () => {
  it('comes to a platform from the plugin that brings it', async () => {
    const host = new PluginHost({ kinds, log: silent });
    await host.load(answerer, undefined, 'test');
    expect(host.registries.answerers.names).toEqual(['lane']);
    expect((await openWith([answerer])).answerer).toBe(startLane);
  });

  it('is missing where no plugin brings one', async () => {
    expect(await openWith([])).not.toHaveProperty('answerer');
  });
});

// SPDX-License-Identifier: MIT

import { silent } from '../../core/log.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Config, LoadedConfig } from '../kinds/config.ts';
import { readSection, sectionsOf } from '../read-section.ts';
import { assertNames, meetFunctions, type Unmatched } from './names.ts';
import { orderOfParts } from './part-runner.ts';
import { assertThere, lockPlace, openPlatform } from './platform.ts';
import { loadPlugins } from './start.ts';

/** What a start would come to. */
export interface Judgement {
  /** Functions that the platform has. */
  readonly functions: number;
  readonly unmatched: readonly Unmatched[];
}

/** Parts without which nothing is served refuse what they would refuse when they are started. */
const assertRequired = async ({ registries }: PluginHost, config: Config): Promise<void> => {
  const { directory } = sectionsOf(config);
  for (const { name, thing } of registries.parts.owned) {
    if (thing.required !== true || thing.check === undefined) continue;
    const options = thing.options && readSection(config, thing.section ?? name, thing.options);
    await thing.check({ options, directory });
  }
};

/**
 * Goes the way of a start as far as nothing of the host is changed: loads the plugins, checks names, order and sections,
 * opens the platform and looks for the devices. `startLoaded` goes the same way, with the same functions, and refuses with
 * the same errors.
 *
 * @throws PcibackError, HostError what would keep pciback from starting
 */
export const judgeStart = async (loaded: LoadedConfig): Promise<Judgement> => {
  const { config } = loaded;
  const plugins = await loadPlugins(loaded, silent);
  try {
    assertNames(plugins, config);
    orderOfParts(plugins);
    await lockPlace(plugins, config);
    const platform = await openPlatform(plugins, config, silent);
    try {
      const functions = await platform.pci.list();
      assertThere(platform, config.hide, functions);
      await assertRequired(plugins, config);
      return { functions: functions.length, unmatched: await meetFunctions(config, plugins, platform, functions) };
    } finally {
      await platform.close();
    }
  } finally {
    plugins.close();
  }
};

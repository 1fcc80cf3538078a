// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { silent } from '../../core/log.ts';
import type { PciListing, Platform, Xenstore } from '../../core/platform/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Config, LoadedConfig } from '../kinds/config.ts';
import { usesOf } from '../kinds/platform.ts';
import { readSection, sectionsOf } from '../read-section.ts';
import { absentOf, assertNames, meetFunctions, type Unmatched } from './names.ts';
import { orderOfParts } from './part-runner.ts';
import { assertThere, lockPlace, openPlatform } from './platform.ts';
import { loadPlugins } from './start.ts';

/** Where the store has the domains of a host. */
const DOMAINS = '/local/domain';

/** What a start would come to. */
export interface Judgement {
  /** Functions that the platform has. */
  readonly functions: number;
  readonly unmatched: readonly Unmatched[];
  /** Functions of `hide` that would not be seized, with what this host does with each. */
  readonly inUse: readonly { readonly bdf: string; readonly uses: readonly string[] }[];
  /** Names of `guests` that no guest has now. */
  readonly absent: readonly string[];
}

const inUseOf = async (
  { hide, allowInUse }: Config,
  platform: Platform,
  functions: readonly PciListing[],
): Promise<Judgement['inUse']> => {
  const means = (patterns: Config['hide'], address: Bdf): boolean => patterns.some((one) => one.matches(address));
  const wanted = functions.filter(({ bdf }) => means(hide, bdf) && !means(allowInUse, bdf));
  const looked = wanted.map(async ({ bdf }) => ({ bdf: formatBdf(bdf), uses: await usesOf(platform, bdf) }));
  return (await Promise.all(looked)).filter(({ uses }) => uses.length > 0);
};

const guestNames = async (store: Pick<Xenstore, 'list' | 'read'>): Promise<readonly string[]> => {
  const domains = (await store.list(DOMAINS)) ?? [];
  const names = await Promise.all(domains.map((domain) => store.read(`${DOMAINS}/${domain}/name`)));
  return names.filter((name) => name !== undefined);
};

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
      const unmatched = await meetFunctions(config, plugins, platform, functions);
      const names = await guestNames(platform.xenstore);
      return {
        functions: functions.length,
        unmatched,
        inUse: await inUseOf(config, platform, functions),
        absent: absentOf(config, names),
      };
    } finally {
      await platform.close();
    }
  } finally {
    plugins.close();
  }
};

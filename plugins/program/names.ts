// SPDX-License-Identifier: MIT

import { formatBdf, functionOf } from '../../core/bdf.ts';
import type { PciListing, Platform } from '../../core/platform/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { DeviceMatch } from '../../core/quirk/quirk.ts';
import { factsOf, patternKeys, patternsOf } from '../function-facts.ts';
import type { Config } from '../kinds/config.ts';

/**
 * Checks what a configuration says of loaded plugins by name: slot mappers and interrupt policies, of single guests too. Without a
 * back end there are no guests to whom that would matter.
 *
 * @throws PcibackError `CHOICE_UNKNOWN`
 */
export const assertNames = (
  { registries }: Pick<PluginHost, 'registries'>,
  { backend, slots, interrupts, guests }: Pick<Config, 'backend' | 'slots' | 'interrupts' | 'guests'>,
): void => {
  for (const one of backend ? [{ slots, interrupts }, ...Object.values(guests)] : []) {
    if (one.slots !== undefined) registries.slots.get(one.slots);
    if (one.interrupts !== undefined) registries.interrupts.get(one.interrupts);
  }
};

/** Said of each {@link Unmatched}. */
export const NO_FUNCTION = 'no function of this platform is meant by it';

/** A place of the rc file that says something of devices, and no device is there that it could be about. */
export interface Unmatched {
  /** `permissive[0]` */
  readonly key: string;
  /** As it is written there. */
  readonly text: string;
}

/** Tells the patterns of a configuration which functions there are. @returns what {@link unmatchedOf} does */
export const meetFunctions = async (
  config: Config,
  plugins: Parameters<typeof unmatchedOf>[1],
  platform: Pick<Platform, 'pci'>,
  functions: readonly PciListing[],
): Promise<readonly Unmatched[]> => {
  const patterns = patternsOf(config);
  for (const one of await factsOf(platform, functions, patterns)) for (const each of patterns) each.meet(one);
  return unmatchedOf(config, plugins, functions);
};

/** Names of guests for which the configuration has settings, and that none of the guests that there are has. */
export const absentOf = ({ guests }: Pick<Config, 'guests'>, names: readonly string[]): readonly string[] =>
  Object.keys(guests).filter((name) => !names.includes(name));

/** What a list of functions can say of a match; subsystem and stepping are known when one is seized. */
const mayFit = (match: DeviceMatch, one: PciListing): boolean =>
  match.vendor === one.vendor &&
  (match.device ?? one.device) === one.device &&
  (match.devices === undefined || (match.devices.from <= one.device && one.device <= match.devices.to)) &&
  (match.function ?? functionOf(one.bdf)) === functionOf(one.bdf) &&
  (match.class === undefined || (one.class & match.class.mask) === match.class.value);

/**
 * What of a configuration is about no function of the platform: a slip of the pen, or a device that is gone.
 *
 * @param config its patterns have met the functions
 */
export const unmatchedOf = (
  config: Config,
  { registries, loaded }: Pick<PluginHost, 'registries' | 'loaded'>,
  functions: readonly PciListing[],
): readonly Unmatched[] => {
  const bundled = new Set(loaded.filter(({ origin }) => origin === 'bundled').map(({ name }) => name));
  const patterns = [
    ...patternKeys.flatMap((key) =>
      config[key].map(({ text, matches }, index) => {
        return { key: `${key}[${index}]`, text, fits: (one: PciListing) => matches(one.bdf) };
      }),
    ),
    ...Object.entries(config.guests).flatMap(([name, { devices }]) =>
      Object.keys(devices).map((text) => {
        return { key: `guests.${name}.devices`, text, fits: ({ bdf }: PciListing) => formatBdf(bdf) === text };
      }),
    ),
    ...registries.quirks.owned
      .filter(({ plugin }) => !bundled.has(plugin))
      .map(({ thing: { name, match } }) => {
        return { key: 'quirk', text: name, fits: (one: PciListing) => match.some((each) => mayFit(each, one)) };
      }),
  ];
  return patterns.filter(({ fits }) => !functions.some(fits)).map(({ key, text }) => ({ key, text }));
};

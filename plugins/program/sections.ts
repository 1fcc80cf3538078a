// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { nearest } from '../../core/errors/nearest.ts';
import type { Registries } from '../../core/plugin/index.ts';
import { fail } from '../errors.ts';
import type { Config } from '../kinds/config.ts';
import { readSection, sectionsOf } from '../read-section.ts';
import { configSchema } from './schema.ts';

/** A section of the rc file that a plugin has. */
export interface Section {
  readonly name: string;
  readonly plugin: string;
  readonly schema: z.ZodType;
}

/**
 * The sections of the loaded parts and platforms.
 *
 * @throws PcibackError `PLUGIN_REGISTRATION` when two have the same, or one is a key of the core
 */
export const declaredSections = ({ parts, platforms }: Registries): readonly Section[] => {
  const asked = [
    ...platforms.owned.map(({ name, plugin, thing }) => ({ name, plugin, schema: thing.options })),
    ...parts.owned.map(({ name, plugin, thing }) => ({ name: thing.section ?? name, plugin, schema: thing.options })),
  ];
  const found = new Map<string, Section>();
  for (const { name, plugin, schema } of asked) {
    if (schema === undefined) continue;
    const owner = Object.hasOwn(configSchema.shape, name) ? 'the core' : found.get(name)?.plugin;
    if (owner !== undefined) fail('PLUGIN_REGISTRATION', { name: plugin, kind: 'section', entry: name, owner });
    found.set(name, { name, plugin, schema });
  }
  return [...found.values()];
};

/**
 * Checks every key of the rc file that is not the core's. To be called when the plugins are loaded, before anything starts.
 *
 * @throws PcibackError `CONFIG_INVALID` for what a section says, and for one that no loaded plugin has, with the nearest of
 * all known keys; `PLUGIN_REGISTRATION` as {@link declaredSections}
 */
export const checkSections = (config: Config, registries: Registries): void => {
  const declared = declaredSections(registries);
  const { file, values } = sectionsOf(config);
  const known = declared.map(({ name }) => name);
  for (const key of Object.keys(values)) {
    if (known.includes(key)) continue;
    const near = nearest(key, [...Object.keys(configSchema.shape), ...known]);
    fail('CONFIG_INVALID', { file, key, why: 'there is no such key', nearest: near });
  }
  for (const { name, schema } of declared) readSection(config, name, schema);
};

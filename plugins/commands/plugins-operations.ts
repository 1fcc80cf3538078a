// SPDX-License-Identifier: MIT

import { z } from 'zod';
import type { ChangeEffect } from '../../core/changes.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { Plugin } from '../../core/plugin/index.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { type NamedChange, sumOf } from '../changes.ts';
import { fail } from '../errors.ts';
import { inventoryOf, type PluginInventory } from '../inventory.ts';
import { notesOf } from '../journal-offers.ts';
import { type OperationsOf, operation, type PartContext } from '../kinds/part.ts';
import { byNeeds } from '../program/arrange.ts';
import { bringsForStart, neededFor } from './needed.ts';

/** Loads one thing, or loads it again from where it is from. */
const loadOne = async (
  context: PartContext,
  thing: Plugin | Quirk,
  from: { readonly file: string; readonly options?: unknown },
): Promise<ChangeEffect> => {
  const { plugins } = context.engine;
  const isAgain = plugins.loaded.some((one) => one.name === thing.name && one.origin === from.file);
  const why = isAgain ? neededFor(context, thing.name) : undefined;
  if (why !== undefined) fail('PLUGIN_NEEDED', { name: thing.name, why });
  const how = isAgain ? 'replace' : 'load';
  const effect = await notesOf(context).loading(thing, from, () => plugins[how](thing, from.options, from.file));
  const brings = bringsForStart(context, thing.name);
  if (brings === undefined) return effect;
  notesOf(context).unloading(thing.name, () => plugins.unload(thing.name));
  return fail('PLUGIN_AT_START', { name: thing.name, brings });
};

export const operations = {
  plugins: operation({
    about: 'What is loaded, what it brings and taps, and how it does.',
    asks: z.strictObject({}),
    answer: (_asked, { engine }): PluginInventory => inventoryOf(engine.plugins),
  }),
  'plugin-load': operation({
    about: 'Loads a plugin, a policy or quirks, as the rc file would; in force between two requests of a guest.',
    asks: z.strictObject({
      name: z.string().min(1).describe('An absolute path on the host of the daemon, a bundled plugin or a package.'),
      options: z.record(z.string(), z.unknown()).optional().describe('As the rc file would have them.'),
    }),
    answer: async ({ name, options }, context): Promise<NamedChange> => {
      const { plugins } = context.engine;
      const found = (await plugins.read(name, 'plugins load')).map((thing) => ({
        thing,
        options,
        origin: name,
        rank: 0,
      }));
      const things = byNeeds(found, plugins.loaded).map(({ thing }) => thing);
      if (options !== undefined && things.length > 1) {
        const why = `it brings ${things.length} plugins, so it is not clear whose options these are`;
        fail('PLUGIN_OPTIONS', { name, where: '(all)', why, nearest: undefined });
      }
      const effects: ChangeEffect[] = [];
      const from = { file: name, ...(options === undefined ? {} : { options }) };
      const loaded: string[] = [];
      try {
        for (const thing of things) {
          effects.push(await loadOne(context, thing, from));
          loaded.push(thing.name);
        }
      } catch (error) {
        // All or none.
        for (const one of loaded.reverse()) notesOf(context).unloading(one, () => plugins.unload(one));
        throw error;
      }
      return { names: loaded, ...sumOf(effects) };
    },
  }),
  'plugin-unload': operation({
    about: 'Takes a plugin or a quirk out of force, unless something depends on it.',
    asks: z.strictObject({ name: z.string().describe('As `plugins` has it.') }),
    answer: ({ name }, context): NamedChange => {
      const { plugins } = context.engine;
      const known = plugins.loaded.map((one) => one.name);
      if (!known.includes(name)) {
        const facts = { name, asked: 'plugins unload', nearest: nearest(name, known) };
        fail('PLUGIN_UNKNOWN', { ...facts, tried: ['the loaded plugins and quirks'] });
      }
      const why = neededFor(context, name);
      if (why !== undefined) fail('PLUGIN_NEEDED', { name, why });
      return { names: [name], ...notesOf(context).unloading(name, () => plugins.unload(name)) };
    },
  }),
};

export type PluginOperations = OperationsOf<typeof operations>;

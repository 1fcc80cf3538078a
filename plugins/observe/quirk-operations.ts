// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { matches } from '../../core/quirk/quirk.ts';
import { seizedAt } from '../assigned.ts';
import { type NamedChange, sumOf } from '../changes.ts';
import { fail } from '../errors.ts';
import { notesOf } from '../journal-offers.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import { exchangeQuirks, loadedFrom, type QuirkOfFile } from '../quirk-files.ts';
import { parseQuirkText, quirkOfText } from '../quirk-text.ts';

export interface QuirkStatus {
  readonly name: string;
  readonly origin: string;
  readonly source: string;
  /** Assigned devices that it is in force for. */
  readonly devices: readonly string[];
}

export const operations = {
  'quirk-load': operation({
    about: 'Loads a file of quirks, or loads it again; in force between two requests of a guest.',
    asks: z.strictObject({
      file: z.string().describe('An absolute path on the host of the daemon.'),
      devices: z
        .array(z.string())
        .optional()
        .describe('Only for these addresses; missing: for every device that fits.'),
    }),
    answer: async ({ file, devices }, context): Promise<NamedChange> => {
      const { plugins } = context.engine;
      const things = await plugins.read(file, 'quirk load');
      const only = devices?.map(parseBdf);
      const wanted = things.map((thing): QuirkOfFile => {
        if (thing.kind === 'quirk') return { file, quirk: only === undefined ? thing : { ...thing, only } };
        return fail('PLUGIN_LOAD', { name: file, why: 'it is a plugin; only quirks are loaded here' });
      });
      const notes = notesOf(context);
      const effects = await exchangeQuirks(plugins, loadedFrom(plugins, [file]), wanted, {
        load: ({ quirk, file: from }, work) => notes.loading(quirk, { file: from }, work),
        unload: (name, work) => notes.unloading(name, work),
      });
      return { names: things.map((thing) => thing.name), ...sumOf(effects) };
    },
  }),
  'quirk-text': operation({
    about: 'Opens a register of one device, given as [DDDD:]BB:SS.F-REG:SIZE:MASK, all hexadecimal.',
    asks: z.strictObject({ text: z.string() }),
    answer: async ({ text }, context): Promise<NamedChange> => {
      const { engine } = context;
      const parsed = parseQuirkText(text);
      const { vendor, device } = seizedAt(engine, formatBdf(parsed.bdf)).identity;
      const quirk = quirkOfText(parsed, [{ vendor, device }]);
      // Two texts for one register are an overlap, refused with both names (D-C2); so `load`, not `replace`.
      const load = () => engine.plugins.load(quirk, undefined, 'quirk load');
      const effect = await notesOf(context).loading(quirk, { text: parsed.text }, load);
      return { names: [quirk.name], ...effect };
    },
  }),
  'quirk-unload': operation({
    about: 'Takes a quirk out of force, or all that are from one file.',
    asks: z.strictObject({ name: z.string().describe('Its name, or an absolute path.') }),
    answer: ({ name }, context): NamedChange => {
      const { plugins } = context.engine;
      const quirks = plugins.loaded.filter((one) => one.kind === 'quirk');
      const isFile = name.startsWith('/');
      const found = quirks.filter((one) => (isFile ? one.origin : one.name) === name).map((one) => one.name);
      if (found.length === 0) {
        const known = quirks.map((one) => (isFile ? one.origin : one.name));
        const what = isFile ? `no loaded quirk is from ${name}` : `no quirk "${name}" is loaded`;
        fail('QUIRK_UNKNOWN', { what, nearest: nearest(name, known) });
      }
      const effects = found.map((one) => notesOf(context).unloading(one, () => plugins.unload(one)));
      return { names: found, ...sumOf(effects) };
    },
  }),
  'quirk-list': operation({
    about: 'Every quirk, and the devices of guests that it is in force for.',
    asks: z.strictObject({}),
    answer: (_asked, { engine: { plugins, stub } }): { readonly quirks: readonly QuirkStatus[] } => {
      const assigned = stub.devices.filter((one) => one.assignment !== undefined);
      const origins = new Map(plugins.loaded.map(({ name, origin }) => [name, origin]));
      return {
        quirks: plugins.registries.quirks.owned.map(({ plugin, thing }) => ({
          name: thing.name,
          origin: origins.get(plugin) ?? plugin,
          source: thing.source,
          devices: assigned.filter((one) => matches(thing, one.identity)).map((one) => formatBdf(one.bdf)),
        })),
      };
    },
  }),
};

export type QuirkOperations = OperationsOf<typeof operations>;

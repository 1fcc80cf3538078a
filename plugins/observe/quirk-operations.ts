// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import type { ChangeEffect } from '../../core/changes.ts';
import { fail } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { isFor, limitTo } from '../../core/quirk/limited-quirk.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { seizedAt } from '../assigned.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import { parseQuirkText } from './quirk-text.ts';

export interface QuirkStatus {
  readonly name: string;
  readonly origin: string;
  readonly source: string;
  /** Assigned devices that it is in force for. */
  readonly devices: readonly string[];
}

export interface QuirkChange extends ChangeEffect {
  readonly names: readonly string[];
}

const noEffect: ChangeEffect = { devices: 0, waiting: 0, ms: 0, failures: [] };

const sumOf = (effects: readonly ChangeEffect[]): ChangeEffect =>
  effects.reduce(
    (sum, one) => ({
      devices: Math.max(sum.devices, one.devices),
      waiting: Math.max(sum.waiting, one.waiting),
      ms: sum.ms + one.ms,
      failures: sum.failures.concat(one.failures),
    }),
    noEffect,
  );

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
    answer: async ({ file, devices }, { engine: { plugins } }): Promise<QuirkChange> => {
      const things = await plugins.read(file, 'quirk load');
      const only = devices?.map(parseBdf);
      const effects: ChangeEffect[] = [];
      for (const thing of things) {
        if (thing.kind !== 'quirk') {
          return fail('PLUGIN_LOAD', { name: file, why: 'it is a plugin; only quirks are loaded here' });
        }
        effects.push(await plugins.replace(only === undefined ? thing : limitTo(thing, only), undefined, file));
      }
      return { names: things.map((thing) => thing.name), ...sumOf(effects) };
    },
  }),
  'quirk-text': operation({
    about: 'Opens a register of one device, given as [DDDD:]BB:SS.F-REG:SIZE:MASK, all hexadecimal.',
    asks: z.strictObject({ text: z.string() }),
    answer: async ({ text }, { engine }): Promise<QuirkChange> => {
      const parsed = parseQuirkText(text);
      const device = seizedAt(engine, formatBdf(parsed.bdf));
      const { vendor, device: id } = device.identity;
      const name = `text/${parsed.text}`;
      const quirk: Quirk = {
        kind: 'quirk',
        name,
        source: 'given as text at run time',
        match: [{ vendor, device: id }],
        sets: [parsed.set],
        surgery: [],
      };
      // Two texts for one register are an overlap, refused with both names (D-C2); so `load`, not `replace`.
      const effect = await engine.plugins.load(limitTo(quirk, [parsed.bdf]), undefined, 'quirk load');
      return { names: [name], ...effect };
    },
  }),
  'quirk-unload': operation({
    about: 'Takes a quirk out of force.',
    asks: z.strictObject({ name: z.string() }),
    answer: ({ name }, { engine: { plugins } }): QuirkChange => {
      const known = plugins.loaded.filter((one) => one.kind === 'quirk').map((one) => one.name);
      if (!known.includes(name)) {
        const facts = { name, asked: 'quirk unload', nearest: nearest(name, known) };
        fail('PLUGIN_UNKNOWN', { ...facts, tried: ['the loaded quirks'] });
      }
      return { names: [name], ...plugins.unload(name) };
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
          devices: assigned.filter((one) => isFor(thing, one.identity)).map((one) => formatBdf(one.bdf)),
        })),
      };
    },
  }),
};

export type QuirkOperations = OperationsOf<typeof operations>;

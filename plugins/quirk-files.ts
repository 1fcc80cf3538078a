// SPDX-License-Identifier: MIT

import type { ChangeEffect } from '../core/changes.ts';
import type { LoadedPlugin, PluginHost } from '../core/plugin/loader.ts';
import type { Quirk } from '../core/quirk/quirk.ts';

/** A quirk and the file that it comes from, an absolute path. */
export interface QuirkOfFile {
  readonly file: string;
  readonly quirk: Quirk;
}

/** What is done around each step; missing: nothing. */
export interface ExchangeSteps {
  load(wanted: QuirkOfFile, work: () => Promise<ChangeEffect>): Promise<ChangeEffect>;
  unload(name: string, work: () => ChangeEffect): ChangeEffect;
}

const bare: ExchangeSteps = { load: (_wanted, work) => work(), unload: (_name, work) => work() };

/** Quirks that came from these files and are in force. */
export const loadedFrom = (plugins: PluginHost, files: readonly string[]): LoadedPlugin[] =>
  plugins.loaded.filter(({ kind, origin }) => kind === 'quirk' && files.includes(origin));

/**
 * Puts quirks in the place of others: those of the same name are replaced, the rest of the old ones goes first. All of it, or
 * nothing.
 *
 * @param old in force now
 * @throws PcibackError what loading throws; all of `old` is in force again then
 */
export const exchangeQuirks = async (
  plugins: PluginHost,
  old: readonly LoadedPlugin[],
  wanted: readonly QuirkOfFile[],
  steps: ExchangeSteps = bare,
): Promise<readonly ChangeEffect[]> => {
  const effects: ChangeEffect[] = [];
  const thingOf = (name: string): Quirk | undefined =>
    plugins.registries.quirks.entries.find((one) => one.name === name)?.thing;
  // Each has the rest inside of it, so that what is noted of it is taken back too.
  const load = async ([one, ...rest]: readonly QuirkOfFile[]): Promise<void> => {
    if (one === undefined) return;
    const { name } = one.quirk;
    const [thing, before] = [thingOf(name), plugins.loaded.find((loaded) => loaded.name === name)];
    await steps.load(one, async () => {
      const effect = await plugins.replace(one.quirk, undefined, one.file);
      effects.push(effect);
      try {
        await load(rest);
      } catch (error) {
        if (thing === undefined || before === undefined) plugins.unload(name);
        else await plugins.replace(thing, undefined, before.origin);
        throw error;
      }
      return effect;
    });
  };
  const gone: QuirkOfFile[] = [];
  try {
    for (const { name, origin } of old) {
      const thing = thingOf(name);
      if (thing === undefined || wanted.some(({ quirk }) => quirk.name === name)) continue;
      effects.push(steps.unload(name, () => plugins.unload(name)));
      gone.push({ file: origin, quirk: thing });
    }
    await load(wanted);
    return effects;
  } catch (error) {
    for (const one of gone.reverse()) await steps.load(one, () => plugins.replace(one.quirk, undefined, one.file));
    throw error;
  }
};

// SPDX-License-Identifier: MIT

import satisfies from 'semver/functions/satisfies.js';
import validRange from 'semver/ranges/valid.js';
import type { ChangeEffect } from '../../core/changes.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { Plugin } from '../../core/plugin/definition.ts';
import { type LoadedPlugin, PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { fail, problem } from '../errors.ts';
import { ownPackage } from '../package-folder.ts';

type Needs = readonly (readonly [name: string, range: string])[];

/** A plugin may be plain JavaScript: `needs` can be anything. @throws PcibackError `PLUGIN_NEEDS` */
export const needsOf = (thing: Plugin | Quirk): Needs => {
  if (thing.kind === 'quirk' || thing.needs === undefined) return [];
  const entries: [string, unknown][] = Object.entries(thing.needs);
  for (const [name, range] of entries) {
    if (typeof range === 'string' && validRange(range) !== null) continue;
    const why = `needs "${name}" in version "${String(range)}", which is no semver range`;
    fail('PLUGIN_NEEDS', { name: thing.name, why, nearest: undefined });
  }
  return entries as [string, string][];
};

/** Something that another plugin may need. */
export type Needed = Pick<LoadedPlugin, 'kind' | 'name' | 'version' | 'origin'>;

export const asNeeded = (thing: Plugin | Quirk, origin: string): Needed => ({
  kind: thing.kind,
  name: thing.name,
  origin,
  ...(thing.kind === 'plugin' ? { version: thing.version } : {}),
});

/** Bundled ones have the version of pciback; a quirk has none, and is enough by being there. */
const fits = ({ kind, version, origin }: Needed, range: string): string | undefined => {
  const found = kind === 'quirk' ? undefined : origin === 'bundled' ? ownPackage().version : version;
  return found === undefined || satisfies(found, range, { includePrerelease: true }) ? undefined : found;
};

/** @throws PcibackError `PLUGIN_NEEDS` for the first that is not there or has another version */
export const assertNeeds = (thing: Plugin | Quirk, there: readonly Needed[]): void => {
  const { name } = thing;
  for (const [wanted, range] of needsOf(thing)) {
    const other = there.find((one) => one.name === wanted);
    if (other === undefined) {
      const why = `needs "${wanted}" ${range}, which is not loaded`;
      const others = there.map((one) => one.name).filter((one) => one !== name);
      throw problem('PLUGIN_NEEDS', { name, why, nearest: nearest(wanted, others) });
    }
    const version = fits(other, range);
    if (version === undefined) continue;
    fail('PLUGIN_NEEDS', { name, why: `needs "${wanted}" ${range}, and ${version} is loaded`, nearest: undefined });
  }
};

/** The plugins of a pciback, none of which is ever without what it needs: at a start, and while guests run. */
export class NeedfulHost extends PluginHost {
  readonly #needs = new Map<string, Needs>();
  #isClosing = false;

  /** @throws PcibackError `PLUGIN_NEEDS`, and as `PluginHost.load` */
  override load(thing: Plugin | Quirk, options: unknown, origin: string): Promise<ChangeEffect> {
    return this.#with(thing, () => super.load(thing, options, origin));
  }

  /** @throws PcibackError `PLUGIN_NEEDS`, `PLUGIN_NEEDED`, and as `PluginHost.replace` */
  override replace(thing: Plugin | Quirk, options: unknown, origin: string): Promise<ChangeEffect> {
    return this.#with(thing, () => {
      this.#assertNotMissed(thing.name, asNeeded(thing, origin));
      return super.replace(thing, options, origin);
    });
  }

  /** @throws PcibackError `PLUGIN_NEEDED`, and as `PluginHost.unload` */
  override unload(name: string): ChangeEffect {
    if (!this.#isClosing) this.#assertNotMissed(name);
    const effect = super.unload(name);
    this.#needs.delete(name);
    return effect;
  }

  override close(): void {
    this.#isClosing = true;
    super.close();
  }

  async #with(thing: Plugin | Quirk, work: () => Promise<ChangeEffect>): Promise<ChangeEffect> {
    const needs = needsOf(thing);
    // What is loaded takes a while to tell, and most need nothing.
    if (needs.length > 0) assertNeeds(thing, this.loaded);
    const effect = await work();
    this.#needs.set(thing.name, needs);
    return effect;
  }

  /** @param next what comes in its place */
  #assertNotMissed(name: string, next?: Needed): void {
    for (const [by, needs] of this.#needs) {
      const [, range] = needs.find(([wanted]) => wanted === name) ?? [];
      if (range === undefined || by === name) continue;
      const version = next === undefined ? undefined : fits(next, range);
      if (next !== undefined && version === undefined) continue;
      const why = `plugin ${by} needs it${version === undefined ? '' : ` in version ${range}, and the new one is ${version}`}`;
      fail('PLUGIN_NEEDED', { name, why });
    }
  }
}

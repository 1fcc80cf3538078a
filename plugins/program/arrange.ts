// SPDX-License-Identifier: MIT

import satisfies from 'semver/functions/satisfies.js';
import validRange from 'semver/ranges/valid.js';
import { nearest } from '../../core/errors/nearest.ts';
import type { Plugin } from '../../core/plugin/definition.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { fail, problem } from '../errors.ts';
import type { PassedOver } from '../inventory.ts';
import { ownPackage } from '../package-folder.ts';

/** A plugin or quirk that was found, and is to be loaded. */
export interface FoundThing {
  readonly thing: Plugin | Quirk;
  /** As whoever asked for it names it; missing: its own name. */
  readonly named?: string;
  /** As the rc file has them; `undefined`: none. */
  readonly options: unknown;
  /** `bundled`, `given`, or a file. */
  readonly origin: string;
  /** Of two with one name that with the lower number counts; of two with the same number neither goes before the other. */
  readonly rank: number;
}

/** Leaves out what has the name of something with a lower rank. */
export const byPrecedence = (
  all: readonly FoundThing[],
): { readonly counting: readonly FoundThing[]; readonly passedOver: readonly PassedOver[] } => {
  const passedOver: PassedOver[] = [];
  const lowest = new Map<string, FoundThing>();
  for (const one of all) {
    const other = lowest.get(one.thing.name);
    if (other === undefined || one.rank < other.rank) lowest.set(one.thing.name, one);
  }
  const counting = all.filter(({ thing: { name, kind }, rank, origin }) => {
    const other = lowest.get(name);
    if (other === undefined || other.rank === rank) return true;
    if (other.origin !== origin) passedOver.push({ name, kind, origin, by: other.origin });
    return false;
  });
  return { counting, passedOver };
};

/** A plugin may be plain JavaScript: `needs` can be anything. */
const needsOf = ({ thing }: FoundThing): readonly (readonly [name: string, range: string])[] => {
  if (thing.kind === 'quirk' || thing.needs === undefined) return [];
  const entries: [string, unknown][] = Object.entries(thing.needs);
  for (const [name, range] of entries) {
    if (typeof range === 'string' && validRange(range) !== null) continue;
    const why = `needs "${name}" in version "${String(range)}", which is no semver range`;
    fail('PLUGIN_NEEDS', { name: thing.name, why, nearest: undefined });
  }
  return entries as [string, string][];
};

/** Bundled ones have the version of pciback; a quirk has none, and is enough by being there. */
const versionOf = ({ thing, origin }: FoundThing): string | undefined =>
  thing.kind === 'quirk' ? undefined : origin === 'bundled' ? ownPackage().version : thing.version;

/**
 * Puts what a plugin needs before it, and leaves the order as it is otherwise.
 *
 * @throws PcibackError `PLUGIN_NEEDS` for what is not there or has another version, and for plugins that need each other
 */
export const byNeeds = (all: readonly FoundThing[]): readonly FoundThing[] => {
  const placed = new Set<FoundThing>();
  const place = (one: FoundThing, way: readonly FoundThing[]): void => {
    if (placed.has(one)) return;
    const { name } = one.thing;
    const names = [...way.slice(way.indexOf(one)), one].map(({ thing }) => thing.name);
    if (way.includes(one)) {
      fail('PLUGIN_NEEDS', { name, why: `and others need each other: ${names.join(', ')}`, nearest: undefined });
    }
    for (const [wanted, range] of needsOf(one)) {
      const other = all.find(({ thing }) => thing.name === wanted);
      if (other === undefined) {
        const known = all.map(({ thing }) => thing.name);
        const why = `needs "${wanted}" ${range}, which is not loaded`;
        throw problem('PLUGIN_NEEDS', { name, why, nearest: nearest(wanted, known) });
      }
      const version = versionOf(other);
      if (version !== undefined && !satisfies(version, range, { includePrerelease: true })) {
        fail('PLUGIN_NEEDS', { name, why: `needs "${wanted}" ${range}, and ${version} is loaded`, nearest: undefined });
      }
      place(other, [...way, one]);
    }
    placed.add(one);
  };
  for (const one of all) place(one, []);
  return [...placed];
};

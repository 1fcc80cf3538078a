// SPDX-License-Identifier: MIT

import type { Plugin } from '../../core/plugin/definition.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { fail } from '../errors.ts';
import type { PassedOver } from '../inventory.ts';
import { asNeeded, assertNeeds, type Needed, needsOf } from './needs.ts';

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

/**
 * Puts what a plugin needs before it, and leaves the order as it is otherwise.
 *
 * @param loaded what is there already
 * @throws PcibackError `PLUGIN_NEEDS` for what is not there or has another version, and for plugins that need each other
 */
export const byNeeds = (all: readonly FoundThing[], loaded: readonly Needed[] = []): readonly FoundThing[] => {
  const there = [...all.map(({ thing, origin }) => asNeeded(thing, origin)), ...loaded];
  const placed = new Set<FoundThing>();
  const place = (one: FoundThing, way: readonly FoundThing[]): void => {
    if (placed.has(one)) return;
    const { name } = one.thing;
    const names = [...way.slice(way.indexOf(one)), one].map(({ thing }) => thing.name);
    if (way.includes(one)) {
      fail('PLUGIN_NEEDS', { name, why: `and others need each other: ${names.join(', ')}`, nearest: undefined });
    }
    assertNeeds(one.thing, there);
    for (const [wanted] of needsOf(one.thing)) {
      const other = all.find(({ thing }) => thing.name === wanted);
      if (other !== undefined) place(other, [...way, one]);
    }
    placed.add(one);
  };
  for (const one of all) place(one, []);
  return [...placed];
};

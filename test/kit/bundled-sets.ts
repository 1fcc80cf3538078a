// SPDX-License-Identifier: MIT

import { silent } from '../../core/log.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import type { FieldSet } from '../../core/space/declaration.ts';
import { bundled } from '../../plugins/bundled.ts';
import { kinds } from '../../plugins/kinds/kinds.ts';
import { type BundledPlugin, loadByName } from '../../plugins/program/resolve.ts';

/** A set of registers that comes with the package. */
export interface BundledSet {
  /** Unique: `fields/pcie: pcie link`. */
  readonly key: string;
  /** The plugin or quirk. */
  readonly owner: string;
  readonly kind: 'field' | 'quirk';
  /** The preset that alone loads it by default; missing: every one. */
  readonly preset?: 'full';
  /** The platform that alone loads it by default, and the one that does not; missing: every one does. */
  readonly only?: string;
  readonly except?: string;
  readonly set: FieldSet;
}

const asker = { asked: 'test', directory: '/', bundled };

/** Families of `plugins/` that bring no registers; everything else is fields and the quirks of a vendor. */
const otherFamilies = new Set(['slots', 'interrupts', 'policies', 'observe', 'platforms', 'native', 'commands']);

/** Register sets of one bundled entry: those of a plugin's `host.fields.add` and of its quirks, or of a quirk. */
const setsOf = async (name: string, { preset, only, except }: BundledPlugin): Promise<BundledSet[]> => {
  const host = new PluginHost({ kinds, log: silent });
  await loadByName(host, name, undefined, asker);
  const { fields, quirks } = host.registries;
  const facts = (owner: string, kind: 'field' | 'quirk', set: FieldSet): BundledSet => ({
    key: `${owner}: ${set.name}`,
    owner,
    kind,
    ...(preset === undefined ? {} : { preset }),
    ...(only === undefined ? {} : { only }),
    ...(except === undefined ? {} : { except }),
    set,
  });
  return [
    ...fields.owned.map(({ plugin, thing }) => facts(plugin, 'field', thing)),
    ...quirks.things.flatMap((quirk) => quirk.sets.map((set) => facts(quirk.name, 'quirk', set))),
  ];
};

/**
 * Every register set of every bundled plugin and quirk, in the order of `plugins/bundled.ts`, whatever the preset.
 */
export const bundledSets = async (): Promise<BundledSet[]> => {
  const found: BundledSet[] = [];
  for (const [name, entry] of Object.entries<BundledPlugin>(bundled)) {
    if (!otherFamilies.has(name.split('/')[0] ?? '')) found.push(...(await setsOf(name, entry)));
  }
  return found;
};

// SPDX-License-Identifier: MIT

import { type HookName, hookNames } from '../core/hooks/index.ts';
import type { PluginHost } from '../core/plugin/loader.ts';

/** A plugin or quirk that is loaded, with what came of it. */
export interface PluginStatus {
  readonly name: string;
  readonly kind: 'plugin' | 'quirk';
  /** `bundled`, or the file it came from. */
  readonly origin: string;
  readonly version?: string;
  /** Names of the things it brought, by kind. */
  readonly brings: Readonly<Record<string, readonly string[]>>;
  /** Hooks that it taps. */
  readonly taps: readonly HookName[];
  /** Milliseconds spent in its code, `apply` included, without behaviours and what was waited for. */
  readonly ms: number;
  readonly faults: number;
}

/** A plugin or quirk that is not loaded, because something in a place before its own has its name. */
export interface PassedOver {
  readonly name: string;
  readonly kind: 'plugin' | 'quirk';
  /** `bundled`, or the file it came from. */
  readonly origin: string;
  /** Where that comes from which has its name. */
  readonly by: string;
}

/** Where plugins and quirks come from. */
export interface PluginPlaces {
  /** Those of which a name counts first stand first; `files`: missing where the folder is not there, or it is none. */
  readonly places: readonly { readonly name: string; readonly files?: number }[];
  readonly passedOver: readonly PassedOver[];
}

/** Everything that is loaded, in the order of loading, and the order at each place where several meet. */
export interface PluginInventory {
  readonly plugins: readonly PluginStatus[];
  /** Names of the taps of each hook that has some, in the order of the calls. */
  readonly hooks: Readonly<Partial<Record<HookName, readonly string[]>>>;
  /** Missing: nobody has noted it. */
  readonly from?: PluginPlaces;
}

const noted = new WeakMap<PluginHost, PluginPlaces>();

/** Notes where the plugins of a host come from, for its inventory. */
export const notePlaces = (host: PluginHost, places: PluginPlaces): void => void noted.set(host, places);

/** Entries whose value is not empty. */
const filled = <Name extends string>(entries: readonly (readonly [Name, readonly string[]])[]) =>
  Object.fromEntries(entries.filter(([, names]) => names.length > 0)) as Record<Name, readonly string[]>;

/** What a host has loaded. */
export const inventoryOf = (host: PluginHost): PluginInventory => {
  const { loaded, hooks } = host;
  const from = noted.get(host);
  return {
    plugins: loaded.map(({ name, kind, origin, version }) => {
      return {
        name,
        kind,
        origin,
        ...(version === undefined ? {} : { version }),
        brings: filled(
          Object.entries(hooks.things).map(([kind, things]) => {
            const own = things.owned.filter(({ plugin }) => plugin === name);
            return [kind, own.map((thing) => thing.name)] as const;
          }),
        ),
        taps: hookNames.filter((hook) => hooks.point(hook).entries.some(({ plugin }) => plugin === name)),
        ...hooks.wall.usage(name),
      };
    }),
    hooks: filled(
      hookNames.map(
        (name) =>
          [
            name,
            hooks
              .point(name)
              .ordered()
              .map((tap) => tap.name),
          ] as const,
      ),
    ),
    ...(from === undefined ? {} : { from }),
  };
};

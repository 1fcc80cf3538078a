// SPDX-License-Identifier: MIT

import { AsyncSeriesBailHook, AsyncSeriesHook, SyncBailHook, SyncHook } from 'tapable';
import type { Bdf } from '../bdf.ts';
import { fail } from '../errors/index.ts';
import type { Place, Wall } from '../wall/wall.ts';
import { type Order, type Owned, Point } from './point.ts';
import { type HookArguments, type HookName, type HookResults, hookTable } from './table.ts';

/** What a tap may return: hooks that are awaited take a promise. */
type TapResult<Name extends HookName> =
  // biome-ignore lint/suspicious/noConfusingVoidType: a tap that answers nothing need not say so
  void | HookResults[Name] | Promise<void | HookResults[Name]>;
export type Tap<Name extends HookName> = (...args: HookArguments[Name]) => TapResult<Name>;

/** Order among the taps of a hook. */
export interface TapOptions extends Order {
  /** Name of the tap; the plugin's name if missing. */
  readonly name?: string;
}

/** What the first arguments of a hook say about the place of a call. */
interface Facts {
  readonly bdf?: Bdf;
  readonly offset?: number;
  readonly domain?: number;
  readonly device?: { readonly bdf?: Bdf };
  readonly guest?: number | { readonly domain?: number };
}

const placeOf = (args: readonly unknown[]): Pick<Place, 'device' | 'guest' | 'offset'> => {
  const place: { device?: Bdf; guest?: number; offset?: number } = {};
  for (const argument of args) {
    if (typeof argument !== 'object' || argument === null) continue;
    const facts = argument as Facts;
    const guest = facts.domain ?? (typeof facts.guest === 'object' ? facts.guest.domain : facts.guest);
    const device = facts.bdf ?? facts.device?.bdf;
    if (device !== undefined) place.device = device;
    if (guest !== undefined) place.guest = guest;
    if (facts.offset !== undefined) place.offset = facts.offset;
  }
  return place;
};

/**
 * One hook: its taps, in order, and the call.
 *
 * The calling is tapable's. It neither removes taps nor names a plugin in an error nor refuses a `before` that names
 * nobody, so the list and its order are kept here and tapable's hook is built anew from it whenever it changes.
 */
export class TapPoint<Name extends HookName> extends Point<Tap<Name>> {
  readonly #hook: Name;
  readonly #wall: Wall;
  readonly #deadline: number;
  #call: ((args: HookArguments[Name]) => unknown) | undefined;

  /** @param deadline milliseconds that a tap may take, for hooks that are awaited */
  constructor(name: Name, wall: Wall, deadline: number) {
    super(name, (entry) => fail('HOOK_DUPLICATE', { plugin: entry.plugin, hook: name, tap: entry.name }));
    this.#hook = name;
    this.#wall = wall;
    this.#deadline = deadline;
  }

  /** Adds a tap; the result removes it. @throws PcibackError `HOOK_DUPLICATE` */
  tap(plugin: string, options: TapOptions, tap: Tap<Name>): () => void {
    return this.enter({ plugin, name: options.name ?? plugin, thing: tap }, options);
  }

  protected override changed(): void {
    this.#call = undefined;
  }

  /** Names of the taps, in the order of adding. */
  get taps(): string[] {
    return this.entries.map((entry) => entry.name);
  }

  /** Calls the taps as the hook's kind says. @throws PcibackError `PLUGIN_FAULT`, where the hook is not `observe` */
  call(...args: HookArguments[Name]): unknown {
    if (this.entries.length === 0) return undefined;
    this.#call ??= this.#build();
    return this.#call(args);
  }

  #build(): (args: HookArguments[Name]) => unknown {
    const { kind, answer } = hookTable[this.#hook];
    const wall = this.#wall;
    const place = ({ plugin }: Owned<unknown>, args: HookArguments[Name]): Place => ({
      plugin,
      what: `hook ${this.name}`,
      ...placeOf(args),
    });
    const entries = this.ordered();
    switch (kind) {
      case 'observe': {
        const hook = new SyncHook<[HookArguments[Name]], void>(['args'], this.name);
        for (const one of entries) hook.tap(one.name, (args) => wall.tell(place(one, args), () => one.thing(...args)));
        return (args) => hook.call(args);
      }
      case 'syncBail': {
        const hook = new SyncBailHook<[HookArguments[Name]], unknown>(['args'], this.name);
        for (const one of entries)
          hook.tap(one.name, (args) => wall.run(place(one, args), () => one.thing(...args), answer));
        return (args) => hook.call(args);
      }
      case 'asyncSeries':
      case 'asyncBail': {
        const hook =
          kind === 'asyncSeries'
            ? new AsyncSeriesHook<[HookArguments[Name]]>(['args'], this.name)
            : new AsyncSeriesBailHook<[HookArguments[Name]], unknown>(['args'], this.name);
        for (const one of entries) {
          hook.tapPromise(
            one.name,
            (args): Promise<never> =>
              wall.wait(place(one, args), this.#deadline, () => one.thing(...args), answer) as Promise<never>,
          );
        }
        return (args) => hook.promise(args);
      }
    }
  }
}

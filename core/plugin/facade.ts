// SPDX-License-Identifier: MIT

import { fail } from '../errors/index.ts';
import {
  type HookName,
  type Hooks,
  hookNames,
  type Order,
  type Tap,
  type TapOptions,
  type Things,
} from '../hooks/index.ts';
import type { Logger } from '../log.ts';
import type { Quirk } from '../quirk/quirk.ts';
import type { FieldSet } from '../space/declaration.ts';
import type { Choices, Collection, Host, Tappable, Undo } from './definition.ts';

/** The registrations of one plugin: taken back together, the last one first. */
export class Scope {
  readonly #plugin: string;
  #undos: Undo[] = [];
  #open = true;

  constructor(plugin: string) {
    this.#plugin = plugin;
  }

  /**
   * Makes a registration and keeps its undo.
   *
   * @throws PcibackError `PLUGIN_UNLOADED` once the scope is closed.
   */
  register(make: () => Undo): Undo {
    if (!this.#open) fail('PLUGIN_UNLOADED', { name: this.#plugin });
    const made = make();
    const undo = () => {
      const before = this.#undos.length;
      this.#undos = this.#undos.filter((one) => one !== undo);
      if (this.#undos.length < before) made();
    };
    this.#undos.push(undo);
    return undo;
  }

  /** Takes everything back and accepts nothing more. */
  close(): void {
    this.#open = false;
    for (const undo of [...this.#undos].reverse()) undo();
  }
}

/** A logger whose messages carry the plugin's name. */
export const logOf = (log: Logger, plugin: string): Logger => ({
  debug: (facts, message) => log.debug({ plugin, ...facts }, message),
  info: (facts, message) => log.info({ plugin, ...facts }, message),
  warn: (facts, message) => log.warn({ plugin, ...facts }, message),
  error: (facts, message) => log.error({ plugin, ...facts }, message),
});

/** What a facade is made over. */
export interface FacadeParts {
  readonly plugin: string;
  readonly hooks: Hooks;
  readonly log: Logger;
  readonly scope: Scope;
  /** @throws PcibackError `FIELD_OVERLAP` */
  readonly addFields: (sets: readonly FieldSet[], order: Order) => Undo;
  /** @throws PcibackError `FIELD_OVERLAP` */
  readonly addQuirks: (quirks: readonly Quirk[], order: Order) => Undo;
}

/** An order has no name; whatever it stands before has one. */
const isOrder = (value: object): value is Order => !('name' in value) && ('before' in value || 'after' in value);

const nameOf = (thing: object): string => ('name' in thing ? String(thing.name) : '');

/** Adds all or nothing. */
export const addAll = (makes: readonly (() => Undo)[]): Undo => {
  const undos: Undo[] = [];
  const undo = () => {
    for (const one of [...undos].reverse()) one();
  };
  try {
    for (const make of makes) undos.push(make());
  } catch (error) {
    undo();
    throw error;
  }
  return undo;
};

/** Makes the {@link Host} of one plugin: everything it registers goes under its name and into its scope. */
export const makeFacade = (parts: FacadeParts): Host => {
  const { plugin, scope } = parts;
  const choices = <Thing>(things: Things<Thing>): Choices<Thing> => ({
    add: (name, thing, order) => scope.register(() => things.add({ plugin, name, thing }, order)),
  });
  const collection = <Thing extends object>(
    add: (things: readonly Thing[], order: Order) => Undo,
  ): Collection<Thing> => ({
    add: (first?: Order | Thing, ...rest: Thing[]): Undo => {
      if (first === undefined) return () => {};
      const [things, order] = isOrder(first) ? [rest, first] : [[first, ...rest], {}];
      return scope.register(() => add(things, order));
    },
  });
  const addingTo =
    (things: Things<object>) =>
    (added: readonly object[], order: Order): Undo =>
      addAll(added.map((thing) => () => things.add({ plugin, name: nameOf(thing), thing }, order)));
  const tappable = <Name extends HookName>(name: Name): Tappable<Name> => ({
    tap: (first: Tap<Name> | TapOptions, second?: Tap<Name>): Undo => {
      const [options, tap] = typeof first === 'function' ? [{}, first] : [first, second];
      if (typeof tap !== 'function') {
        return fail('PLUGIN_APPLY', { name: plugin, why: `it taps hook ${name} with something that is no function` });
      }
      return scope.register(() => parts.hooks.point(name).tap(plugin, options, tap));
    },
  });
  const places = Object.entries<Things<object>>(parts.hooks.things as never).map(([kind, things]) => [
    kind,
    things.description.isNamed === true ? collection(addingTo(things)) : choices(things),
  ]);
  return {
    hooks: Object.fromEntries(hookNames.map((name) => [name, tappable(name)])),
    ...Object.fromEntries(places),
    fields: collection(parts.addFields),
    quirks: collection(parts.addQuirks),
    log: logOf(parts.log, plugin),
  } as unknown as Host;
};

// SPDX-License-Identifier: MIT

import { SyncHook } from 'tapable';
import { describeError, fail } from '../errors/index.ts';
import { nearest } from '../errors/nearest.ts';
import type { KindDescription } from './table.ts';

/** Place among others, by their names; one that need not be there has a question mark behind it: `acme/setup?`. */
export interface Order {
  readonly before?: string | readonly string[];
  readonly after?: string | readonly string[];
}

/** A named thing and the plugin that brought it. */
export interface Owned<Thing> {
  readonly name: string;
  readonly plugin: string;
  readonly thing: Thing;
}

/** As it is registered. */
export interface Entry<Thing> extends Owned<Thing> {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

const many = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

/** What plugins have registered at one place, and its order. */
export class Point<Thing> {
  readonly name: string;
  readonly #refuse: (entry: Owned<Thing>, taken: Owned<Thing>) => never;
  readonly #entries: Entry<Thing>[] = [];

  /** @param refuse throws for a name that is taken */
  constructor(name: string, refuse: (entry: Owned<Thing>, taken: Owned<Thing>) => never) {
    this.name = name;
    this.#refuse = refuse;
  }

  /** Adds an entry; the result takes it back. */
  protected enter(thing: Owned<Thing>, order: Order): () => void {
    const taken = this.#entries.find((one) => one.name === thing.name);
    if (taken !== undefined) this.#refuse(thing, taken);
    const entry: Entry<Thing> = { ...thing, before: many(order.before), after: many(order.after) };
    this.#entries.push(entry);
    this.changed();
    return () => {
      const index = this.#entries.indexOf(entry);
      if (index >= 0) this.#entries.splice(index, 1);
      this.changed();
    };
  }

  /** What was made of the entries is out of date. */
  protected changed(): void {}

  /** In the order of adding. */
  get entries(): readonly Entry<Thing>[] {
    return this.#entries;
  }

  /**
   * Checks that every `before` and `after` names an entry, and that the order can be kept.
   *
   * @throws PcibackError `HOOK_ORDER`, `HOOK_CYCLE`
   */
  check(): void {
    for (const { plugin, name, before, after } of this.#entries) {
      for (const target of [...before, ...after]) {
        if (target.endsWith('?') || this.#entries.some((other) => other.name === target)) continue;
        const others = this.#entries.map((other) => other.name).filter((other) => other !== name);
        fail('HOOK_ORDER', { plugin, hook: this.name, target, nearest: nearest(target, others) });
      }
    }
    this.ordered();
  }

  /**
   * An entry comes after those it names in `after` and those that name it in `before`; otherwise the order of adding.
   *
   * @throws PcibackError `HOOK_CYCLE`
   */
  ordered(): readonly Entry<Thing>[] {
    const waiting = [...this.#entries];
    const placed: Entry<Thing>[] = [];
    const lists = (names: readonly string[], name: string) => names.includes(name) || names.includes(`${name}?`);
    const predecessor = (entry: Entry<Thing>): Entry<Thing> | undefined =>
      waiting.find((other) => other !== entry && (lists(entry.after, other.name) || lists(other.before, entry.name)));
    while (waiting.length > 0) {
      const index = waiting.findIndex((entry) => predecessor(entry) === undefined);
      if (index < 0) return this.#refuseCycle(waiting, predecessor);
      placed.push(...waiting.splice(index, 1));
    }
    return placed;
  }

  /** Each of those that wait has a predecessor among them, so whoever goes back from one comes to a circle. */
  #refuseCycle(
    [first]: readonly Entry<Thing>[],
    predecessor: (entry: Entry<Thing>) => Entry<Thing> | undefined,
  ): never {
    const way: Entry<Thing>[] = [];
    let at = first;
    while (at !== undefined && !way.includes(at)) {
      way.unshift(at);
      at = predecessor(at);
    }
    const circle = at === undefined ? way : [at, ...way.slice(0, way.indexOf(at) + 1)];
    const plugins = [...new Set(circle.map(({ plugin }) => plugin))].join(', ');
    return fail('HOOK_CYCLE', { hook: this.name, names: circle.map(({ name }) => name), plugins });
  }
}

/** The things of one kind. Tapable keeps their order; whoever wants them calls its hook, and each tap hands its thing over. */
export class Things<Thing> extends Point<Thing> {
  readonly description: KindDescription;
  #owned: readonly Owned<Thing>[] | undefined;

  constructor(name: string, description: KindDescription) {
    super(name, (entry, { plugin: owner }) =>
      fail('PLUGIN_REGISTRATION', { name: entry.plugin, kind: description.one, entry: entry.name, owner }),
    );
    this.description = description;
  }

  /** @throws PcibackError `PLUGIN_REGISTRATION` when the name is taken, `PLUGIN_APPLY` when it is not of this kind. */
  add({ plugin, name, thing }: Owned<Thing>, order: Order = {}): () => void {
    const { one, accept } = this.description;
    let accepted = thing;
    try {
      if (accept !== undefined) accepted = accept(thing as never) as Thing;
    } catch (error) {
      fail('PLUGIN_APPLY', { name: plugin, why: `its ${one} ${name} ${describeError(error)}` }, error);
    }
    return this.enter({ plugin, name, thing: accepted }, order);
  }

  protected override changed(): void {
    this.#owned = undefined;
  }

  /** Things with their names and the plugin that brought each, in order. */
  get owned(): readonly Owned<Thing>[] {
    if (this.#owned !== undefined) return this.#owned;
    const hook = new SyncHook<[(thing: Owned<Thing>) => void], void>(['take'], this.name);
    for (const entry of this.ordered()) hook.tap(entry.name, (take) => take(entry));
    const owned: Owned<Thing>[] = [];
    hook.call((thing) => owned.push(thing));
    this.#owned = owned;
    return owned;
  }

  get names(): string[] {
    return this.owned.map(({ name }) => name);
  }

  get things(): Thing[] {
    return this.owned.map(({ thing }) => thing);
  }

  /** A thing with the plugin that brought it. @throws PcibackError `CHOICE_UNKNOWN` with the nearest known name. */
  find(name: string): Owned<Thing> {
    const found = this.entries.find((entry) => entry.name === name);
    if (found !== undefined) return found;
    return fail('CHOICE_UNKNOWN', {
      kind: this.description.one,
      name,
      nearest: nearest(name, this.names),
      known: this.names,
    });
  }

  /** @throws PcibackError `CHOICE_UNKNOWN` with the nearest known name. */
  get(name: string): Thing {
    return this.find(name).thing;
  }
}

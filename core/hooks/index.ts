// SPDX-License-Identifier: MIT

import type { Wall } from '../wall/wall.ts';
import { Things } from './point.ts';
import {
  coreKinds,
  type DeadlineName,
  type Deadlines,
  defaultDeadlines,
  type HookArguments,
  type HookName,
  type HookResults,
  hookNames,
  type KindTable,
} from './table.ts';
import { TapPoint } from './tap-point.ts';

export { type Order, type Owned, Things } from './point.ts';
export { orNothing, resetShape } from './shapes.ts';
export * from './table.ts';
export { type Tap, type TapOptions, TapPoint } from './tap-point.ts';

type AsyncHook = 'deviceSeized' | 'deviceAssigned' | 'deviceReturned' | 'deviceReleased' | 'resetDevice';

/** What a call of the hook gives back to its owner. */
export type CallResult<Name extends HookName> = Name extends AsyncHook
  ? Promise<HookResults[Name]> | undefined
  : HookResults[Name];

const isDeadline = (name: string): name is DeadlineName => name in defaultDeadlines;

/**
 * All hooks of one running pciback, and all things that plugins brought. Only their owners in core call and use them;
 * plugins see places to register at through their facade.
 */
export class Hooks {
  /** What stands around every call of a plugin's code. */
  readonly wall: Wall;
  readonly #deadlines: Deadlines;
  readonly #points: { readonly [Name in HookName]: TapPoint<Name> };
  /** What plugins brought, by kind. Whoever knows the kinds knows their types too: see `Registries` of core/plugin. */
  readonly things: Readonly<Record<string, Things<unknown>>>;

  /**
   * @param deadlines seconds; those that are missing are as the table has them
   * @param kinds beside those of the core
   */
  constructor(wall: Wall, deadlines: Partial<Deadlines> = {}, kinds: KindTable = {}) {
    this.wall = wall;
    this.#deadlines = { ...defaultDeadlines, ...deadlines };
    const pointOf = (name: HookName) =>
      new TapPoint(name, wall, isDeadline(name) ? this.deadline(name) : Number.POSITIVE_INFINITY);
    this.#points = Object.fromEntries(hookNames.map((name) => [name, pointOf(name)])) as never;
    const all = Object.entries({ ...coreKinds, ...kinds });
    this.things = Object.fromEntries(all.map(([name, kind]) => [name, new Things(name, kind)]));
  }

  /** Milliseconds. */
  deadline(name: DeadlineName): number {
    return this.#deadlines[name] * 1000;
  }

  point<Name extends HookName>(name: Name): TapPoint<Name> {
    return this.#points[name] as TapPoint<Name>;
  }

  /** The plugin that brought a thing; the thing's own name when it was not brought by one. */
  bringerOf(kind: string, name: string): string {
    return this.things[kind]?.entries.find((one) => one.name === name)?.plugin ?? name;
  }

  call<Name extends HookName>(name: Name, ...args: HookArguments[Name]): CallResult<Name> {
    return this.point(name).call(...args) as CallResult<Name>;
  }

  /** @throws PcibackError `HOOK_ORDER`, `HOOK_CYCLE` for the first place whose order cannot be kept. */
  check(): void {
    for (const name of hookNames) this.point(name).check();
    for (const things of Object.values(this.things)) things.check();
  }
}

// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { fail } from '../errors/index.ts';
import type { HookArguments, HookName, Order, Tap, TapOptions, Things } from '../hooks/index.ts';
import type { InterruptPolicySource } from '../interrupts.ts';
import type { Logger } from '../log.ts';
import type { Quirk } from '../quirk/quirk.ts';
import type { SlotMapper } from '../slots.ts';
import type { FieldSet } from '../space/declaration.ts';
import type { Surgery } from '../space/surgery.ts';
import type { InterruptDriver } from '../stub/index.ts';

/** Takes a registration back. Calling it twice is harmless. */
export type Undo = () => void;

/** What the things of each kind are; whoever composes the core with other kinds adds them here. */
export interface ThingsOf {
  fields: FieldSet;
  surgery: Surgery;
  quirks: Quirk;
  slots: SlotMapper;
  interrupts: InterruptPolicySource;
  interruptDrivers: InterruptDriver;
}

/** Everything that plugins brought, by kind. */
export type Registries = { readonly [Kind in keyof ThingsOf]: Things<ThingsOf[Kind]> };

/** Things that are known by name. */
export interface Choices<Thing> {
  /**
   * Registers it under this name.
   *
   * @param order its place among the others of its kind, by their names
   * @throws PcibackError `PLUGIN_REGISTRATION` when the name is taken.
   */
  add(name: string, thing: Thing, order?: Order): Undo;
}

/** Things that bring their names with them. */
export interface Collection<Thing> {
  /** All of them or none. @throws PcibackError `PLUGIN_REGISTRATION` when a name is taken; `FIELD_OVERLAP` */
  add(...things: Thing[]): Undo;
  /** As above, in this place among the others of their kind. */
  add(order: Order, ...things: Thing[]): Undo;
}

/** A hook as a plugin sees it: it can tap, never call. */
export interface Tappable<Name extends HookName> {
  /** @throws PcibackError `HOOK_DUPLICATE` */
  tap(tap: Tap<Name>): Undo;
  /** @throws PcibackError `HOOK_DUPLICATE`; `HOOK_ORDER`, `HOOK_CYCLE` when all plugins are loaded */
  tap(options: TapOptions, tap: Tap<Name>): Undo;
}

/** What a plugin gets: places to register at. Every registration is undone when the plugin is unloaded. */
export interface Host {
  /** Places where the core asks or tells; each has a page in docs/reference/hooks.md. */
  readonly hooks: { readonly [Name in keyof HookArguments]: Tappable<Name> };
  /** Registers of every device: made by `header`, `capability` and `extendedCapability`. */
  readonly fields: Collection<FieldSet>;
  /** Registers and surgery of single devices. */
  readonly quirks: Collection<Quirk>;
  /** Changes of the shape of every device's config space; for single devices there are quirks. All of them apply. */
  readonly surgery: Choices<Surgery>;
  /** Which virtual address each device of a guest has. */
  readonly slots: Choices<SlotMapper>;
  /** Policies: one for all devices, or a factory called once for each device in the hands of each guest. */
  readonly interrupts: Choices<InterruptPolicySource>;
  /** Carry out what guests ask of a device's interrupts. The first is used. */
  readonly interruptDrivers: Choices<InterruptDriver>;
  /** Messages carry the plugin's name. */
  readonly log: Logger;
}

/** Options whose schema is loaded only when the rc file has some: making a schema takes longer than most plugins do. */
export interface LateOptions<Schema extends z.ZodType> {
  /** What counts when the rc file has none: what the schema makes of `{}`. */
  readonly defaults: z.output<Schema>;
  schema(): Schema | Promise<Schema>;
}

/** A plugin, as {@link definePlugin} returns it. */
export interface Plugin {
  readonly kind: 'plugin';
  readonly name: string;
  readonly version: string;
  /** semver range of the plugin API ({@link API_VERSION}) it was written for. */
  readonly api: string;
  /** Schema of its options; a plugin without one takes none. */
  readonly options?: z.ZodType | LateOptions<z.ZodType>;
  apply(host: Host, options: unknown): void;
}

export interface PluginDefinition<Schema extends z.ZodType> {
  /** Unique; `family/word` for bundled ones, the package name for others. */
  readonly name: string;
  /** Of the plugin itself, for `pciback plugins`. */
  readonly version?: string;
  /** semver range of the plugin API that it was written for, `^1.1`; see {@link API_VERSION}. */
  readonly api: string;
  /** Schema of its options in the rc file; missing: it takes none. */
  readonly options?: Schema | LateOptions<Schema>;
  /** Registers everything that it brings; called once, when it is loaded. */
  apply(host: Host, options: z.output<Schema>): void;
}

/**
 * Version of the plugin API, by semver and independent of the package's: it moves in the commit that changes what its doors,
 * `pciback/plugin` and `pciback/quirk`, export.
 */
export const API_VERSION = '1.5.0';

/**
 * Defines a plugin; the module default-exports the result.
 *
 * @throws PcibackError `PLUGIN_LOAD` when name or API range is missing.
 */
export const definePlugin = <Schema extends z.ZodType = z.ZodUndefined>(
  definition: PluginDefinition<Schema>,
): Plugin => {
  const name = typeof definition.name === 'string' ? definition.name : '';
  if (name.trim() === '') fail('PLUGIN_LOAD', { name: '(unnamed)', why: 'it has no name' });
  if (typeof definition.api !== 'string')
    fail('PLUGIN_LOAD', { name, why: 'it does not say which API range it needs' });
  if (typeof definition.apply !== 'function') fail('PLUGIN_LOAD', { name, why: 'it has no apply function' });
  return {
    ...definition,
    kind: 'plugin',
    version: definition.version ?? '0.0.0',
    apply: (host, options) => definition.apply(host, options as z.output<Schema>),
  };
};

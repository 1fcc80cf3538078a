// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import type { Config } from '../config.ts';
import { fail } from '../errors/index.ts';
import type { HookArguments, HookName, KindName, Order, Tap, TapOptions, Things } from '../hooks/index.ts';
import type { InterruptPolicySource } from '../interrupts.ts';
import type { Logger } from '../log.ts';
import type { AnswererFactory, NativeLoader, Platform } from '../platform/index.ts';
import type { WatchPolicy } from '../platform/watch.ts';
import type { Quirk } from '../quirk/quirk.ts';
import type { SlotMapper } from '../slots.ts';
import type { FieldSet } from '../space/declaration.ts';
import type { Surgery } from '../space/surgery.ts';
import type { InterruptDriver } from '../stub/index.ts';
import type { CommandDefinition } from './command.ts';
import type { PartDefinition } from './part.ts';

/** Takes a registration back. Calling it twice is harmless. */
export type Undo = () => void;

/** What a platform is made with. */
export interface PlatformSettings<Options = Readonly<Record<string, unknown>>> {
  /** Name of the foreign-function loader that was asked for; `undefined`: the first that loads. */
  readonly native: () => Promise<NativeLoader>;
  /** The log of the running pciback. */
  readonly log: Logger;
  /** How long an answering thread watches guests' pages, where the platform has one. */
  readonly watch: WatchPolicy;
  /** Starts an answering thread, for a platform that can have one. Missing: no plugin brings one. */
  readonly answerer?: AnswererFactory;
  /** The platform's section of the rc file, checked; `{}` for a platform without a schema. */
  readonly options: Options;
  /** Absolute; paths in the options count from here. */
  readonly directory: string;
  /** Opens another platform, with this as its section: for one that has its devices from there. */
  readonly open: (name: string, section: unknown) => Promise<Platform>;
}

export type PlatformFactory = (settings: PlatformSettings) => Promise<Platform>;

/** A platform and its section of the rc file, which has the platform's name. */
export interface PlatformDefinition<Schema extends z.ZodType = z.ZodType> {
  /** One sentence for people. */
  readonly about: string;
  /** Schema of the section, which takes `undefined` too; missing: it has no section. */
  readonly options?: Schema;
  /** The file or device that one pciback of the host can have, absolute: locked before `create`. Missing: there is none. */
  lock?(settings: Pick<PlatformSettings<z.output<Schema>>, 'options' | 'directory'>): string | Promise<string>;
  /** Opens it, once, when it is chosen. */
  create(settings: PlatformSettings<z.output<Schema>>): Promise<Platform>;
  /** Looks at what it needs, for `pciback doctor`; changes nothing. Missing: there is nothing to look at. */
  diagnose?(settings: DiagnoseSettings): Promise<readonly Finding[]>;
}

/** What a platform looks around with. */
export interface DiagnoseSettings {
  /** The foreign-function loaders that there are. */
  readonly loaders: readonly { readonly name: string; readonly create: NativeFactory }[];
  readonly config: Config;
}

/** One thing that was looked at. */
export interface Finding {
  /** Heading under which it is shown; missing: the platform's. Only findings under that say whether it is usable. */
  readonly section?: string;
  readonly what: string;
  /** `missing`: the platform cannot work without it, or would work badly with it. */
  readonly verdict: 'ok' | 'missing' | 'warning';
  readonly detail: string;
  /** What to do, where something is wrong. */
  readonly next?: string;
}
export type NativeFactory = () => Promise<NativeLoader>;

/** What the things of each kind are. */
export interface ThingsOf {
  fields: FieldSet;
  surgery: Surgery;
  quirks: Quirk;
  slots: SlotMapper;
  interrupts: InterruptPolicySource;
  interruptDrivers: InterruptDriver;
  watches: WatchPolicy;
  answerers: AnswererFactory;
  platforms: PlatformDefinition;
  natives: NativeFactory;
  commands: CommandDefinition;
  parts: PartDefinition;
}

/** Everything that plugins brought, by kind. */
export type Registries = { readonly [Kind in KindName]: Things<ThingsOf[Kind]> };

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
  /** How long a thread that answers guests looks at their pages for the next request. */
  readonly watches: Choices<WatchPolicy>;
  /** Threads that answer guests beside the control thread. The first is used where a platform can have one. */
  readonly answerers: Choices<AnswererFactory>;
  /** Where pciback runs. A function alone is a platform without options. */
  readonly platforms: {
    /** Registers it under this name, which its section of the rc file has too. @throws PcibackError `PLUGIN_REGISTRATION` */
    add<Schema extends z.ZodType>(
      name: string,
      platform: PlatformFactory | PlatformDefinition<Schema>,
      order?: Order,
    ): Undo;
  };
  /** How libraries of the host are called. */
  readonly natives: Choices<NativeFactory>;
  /** Commands of the command line. */
  readonly commands: Collection<CommandDefinition>;
  /** Pieces of the plugin that run as long as the daemon. */
  readonly parts: {
    /** Registers it under this name. @throws PcibackError `PLUGIN_REGISTRATION`; `PART_NEEDS` when pciback starts */
    add<Schema extends z.ZodType = z.ZodUndefined>(name: string, part: PartDefinition<Schema>, order?: Order): Undo;
  };
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
 * Version of the plugin API: hooks, host and declarations. Moves by semver, independent of the package's version. 1.1 brought
 * parts, sections, answerers and an order for everything; 1.0 never left this repository, so what it had otherwise is no 2.0.
 */
export const API_VERSION = '1.1.0';

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
    kind: 'plugin',
    name,
    version: definition.version ?? '0.0.0',
    api: definition.api,
    ...(definition.options === undefined ? {} : { options: definition.options }),
    apply: (host, options) => definition.apply(host, options as z.output<Schema>),
  };
};

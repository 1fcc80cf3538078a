// SPDX-License-Identifier: MIT

import satisfies from 'semver/functions/satisfies.js';
import validRange from 'semver/ranges/valid.js';
import { announce, type ChangeEffect, type ChangeListener, type RegistrationChange } from '../changes.ts';
import { type ErrorCode, fail, isPcibackError, problem } from '../errors/index.ts';
import { nearest } from '../errors/nearest.ts';
import { type Deadlines, Hooks, type KindTable, type Order } from '../hooks/index.ts';
import type { Logger } from '../log.ts';
import type { Quirk } from '../quirk/quirk.ts';
import type { FieldSet } from '../space/declaration.ts';
import { Wall } from '../wall/wall.ts';
import { API_VERSION, type Host, type Plugin, type Registries, type Undo } from './definition.ts';
import { addAll, makeFacade, Scope } from './facade.ts';
import { asItIs, checkOptions, type ExplainIssue } from './options.ts';

export interface PluginHostSettings {
  readonly log: Logger;
  /** The plugin API that is offered; {@link API_VERSION} if missing. */
  readonly api?: string;
  /** Seconds that plugins get; missing ones are as the hook table has them. */
  readonly deadlines?: Partial<Deadlines>;
  /** Kinds of things beside those of the core. */
  readonly kinds?: KindTable;
  /** Reads what is to be loaded while guests run; missing: nobody can. */
  readonly read?: ReadPlugins;
  /** Looks at what is added beside what is there; missing: what lies over each other is found in the devices that have it. */
  readonly check?: CheckAdded;
  /** Puts refusals of options into words; missing: as the schema says them. */
  readonly explain?: ExplainIssue;
  /** ` (file:line)` of what a plugin's code threw, for messages; missing: they do not say it. */
  readonly place?: (error: unknown) => string;
  /** What the plugin of this name gets in place of the plain facade; missing: that. */
  readonly facade?: (plain: Host, plugin: string) => Host;
}

/**
 * Reads plugins or quirks; loads none of them.
 *
 * @param name an absolute path, or another name that the rc file could have for them
 * @param asked who asks for it, for messages
 * @throws PcibackError `PLUGIN_UNKNOWN`, `PLUGIN_LOAD`, `QUIRK_INVALID`, `CONFIG_UNTRUSTED`
 */
export type ReadPlugins = (name: string, asked: string) => Promise<readonly (Plugin | Quirk)[]>;

/**
 * Looks at field sets, or quirks, before they are registered: those of one call, all or none.
 *
 * @throws PcibackError `FIELD_OVERLAP`, `PLUGIN_TOO_MUCH`
 */
export type CheckAdded = (
  added: { readonly plugin: string; readonly fields?: readonly FieldSet[]; readonly quirks?: readonly Quirk[] },
  there: Pick<Registries, 'fields' | 'quirks'>,
) => void;

/** A plugin or quirk that is in force. */
export interface LoadedPlugin {
  readonly kind: 'plugin' | 'quirk';
  readonly name: string;
  /** Missing for a quirk. */
  readonly version?: string;
  /** Who asked for it: `bundled`, or the rc file with the key. */
  readonly origin: string;
}

interface Entry {
  readonly facts: LoadedPlugin;
  readonly scope: Scope;
  readonly thing: Plugin | Quirk;
  readonly options: unknown;
}

/** Errors of registrations: they name the plugin, and more exactly than `PLUGIN_APPLY` would. */
const refusals: readonly ErrorCode[] = [
  'FIELD_OVERLAP',
  'HOOK_CYCLE',
  'HOOK_DUPLICATE',
  'PLUGIN_APPLY',
  'PLUGIN_LOAD',
  'PLUGIN_OPTIONS',
  'PLUGIN_REGISTRATION',
  'PLUGIN_TOO_MUCH',
  'PLUGIN_UNLOADED',
];

/** The plugins of one running pciback: loads, checks and unloads them, and owns what they registered and tapped. */
export class PluginHost {
  readonly registries: Registries;
  readonly hooks: Hooks;
  readonly read: ReadPlugins;
  readonly #settings: PluginHostSettings;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<ChangeListener>();
  #sealed = false;

  constructor(settings: PluginHostSettings) {
    this.#settings = settings;
    const nothing: ReadPlugins = async (name, asked) =>
      fail('PLUGIN_UNKNOWN', { name, asked, nearest: undefined, tried: [] });
    this.read = settings.read ?? nothing;
    this.hooks = new Hooks(new Wall(settings.log, settings.place), settings.deadlines, settings.kinds);
    this.registries = this.hooks.things as unknown as Registries;
  }

  /** What is loaded, in order of loading. */
  get loaded(): LoadedPlugin[] {
    return [...this.#entries.values()].map((entry) => entry.facts);
  }

  /**
   * Calls `listener` whenever registrations have changed: a plugin or quirk was loaded or unloaded.
   *
   * @returns ends it
   */
  onChange(listener: ChangeListener): Undo {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Checks a plugin or quirk and puts it in force, as a whole or not at all; for devices that guests have, between two
   * of their requests.
   *
   * The checks, in order: shape, name, API range, options. After {@link seal} the hook order is checked too.
   *
   * @param options as the rc file has them; `undefined`: none
   * @param origin who asked for it, for messages
   * @throws PcibackError `PLUGIN_LOAD`, `PLUGIN_DUPLICATE`, `PLUGIN_API`, `PLUGIN_OPTIONS`, `PLUGIN_APPLY`,
   * `PLUGIN_REGISTRATION`, `FIELD_OVERLAP`, `HOOK_DUPLICATE`, `HOOK_ORDER`
   */
  async load(thing: Plugin | Quirk, options: unknown, origin: string): Promise<ChangeEffect> {
    this.#checkShape(thing, origin);
    if (this.#entries.has(thing.name)) fail('PLUGIN_DUPLICATE', { name: thing.name });
    try {
      return await this.#put(thing, options, origin);
    } catch (error) {
      // While it was applied a device may have been given to a guest, with what is now taken back.
      announce(this.#listeners, { what: 'unloaded', kind: thing.kind, name: thing.name });
      throw error;
    }
  }

  /**
   * Puts `thing` in the place of the one with its name, or loads it when there is none. When it is refused, the old one
   * stays in force.
   *
   * @throws PcibackError as {@link load}
   */
  async replace(thing: Plugin | Quirk, options: unknown, origin: string): Promise<ChangeEffect> {
    this.#checkShape(thing, origin);
    const old = this.#entries.get(thing.name);
    if (old === undefined) return this.load(thing, options, origin);
    // Listeners are not told that the old one went: for a device with both there is one change, not two.
    this.#entries.delete(thing.name);
    old.scope.close();
    try {
      return await this.#put(thing, options, origin);
    } catch (error) {
      await this.#put(old.thing, old.options, old.facts.origin);
      throw error;
    }
  }

  async #put(thing: Plugin | Quirk, options: unknown, origin: string): Promise<ChangeEffect> {
    const { kind, name } = thing;
    const scope = new Scope(name);
    const version = thing.kind === 'plugin' ? { version: thing.version } : {};
    const facts: LoadedPlugin = { kind, name, origin, ...version };
    // Entered before anything is awaited: a second load of the name that begins meanwhile is a duplicate too.
    this.#entries.set(name, { facts, scope, thing, options });
    try {
      if (thing.kind === 'quirk') this.#applyQuirk(thing, options, scope);
      else {
        this.#checkApi(thing);
        await this.#applyPlugin(thing, options, scope);
      }
      if (this.#sealed) this.hooks.check();
      return this.#changed(facts, 'loaded');
    } catch (error) {
      scope.close();
      this.#entries.delete(name);
      throw error;
    }
  }

  #changed(facts: LoadedPlugin, what: RegistrationChange['what']): ChangeEffect {
    const { kind, name } = facts;
    const effect = announce(this.#listeners, { what, kind, name });
    if (this.#listeners.size === 0) this.#settings.log.debug(facts, `plugin ${what}`);
    else {
      const { devices, waiting, ms } = effect;
      this.#settings.log.info({ name, devices, ...(waiting === 0 ? {} : { waiting }), ms }, `${kind} ${what}`);
    }
    return effect;
  }

  /**
   * Says that the plugins of the start are loaded: from now on the hook order has to be sound.
   *
   * @throws PcibackError `HOOK_ORDER`
   */
  seal(): void {
    this.hooks.check();
    this.#sealed = true;
  }

  /**
   * Takes back everything that the plugin registered, the last first; from devices that guests have, between two of
   * their requests.
   *
   * @throws PcibackError `PLUGIN_UNKNOWN` when nothing of this name is loaded.
   */
  unload(name: string): ChangeEffect {
    const entry = this.#entries.get(name);
    if (!entry) {
      const near = nearest(name, [...this.#entries.keys()]);
      throw problem('PLUGIN_UNKNOWN', { name, asked: 'unload', nearest: near, tried: ['the loaded plugins'] });
    }
    this.#entries.delete(name);
    entry.scope.close();
    return this.#changed(entry.facts, 'unloaded');
  }

  /** Unloads everything, the last first. */
  close(): void {
    for (const name of [...this.#entries.keys()].reverse()) this.unload(name);
  }

  /** Plugins may be plain JavaScript: what the types promise is checked. */
  #checkShape(thing: Plugin | Quirk, origin: string): void {
    const { kind, name } = thing as { kind: unknown; name: unknown };
    const named = typeof name === 'string' && name !== '' ? name : origin;
    const refuse = (why: string): never => fail('PLUGIN_LOAD', { name: named, why });
    if (kind !== 'plugin' && kind !== 'quirk') refuse('it is neither a plugin nor a quirk');
    if (named !== name) refuse('it has no name');
    if (thing.kind === 'quirk') {
      if (!Array.isArray(thing.sets) || !Array.isArray(thing.match)) refuse('it was not made by defineQuirk');
    } else if (typeof thing.api !== 'string' || typeof thing.apply !== 'function') {
      refuse('it was not made by definePlugin');
    } else if (thing.options !== undefined && !('safeParse' in thing.options || 'schema' in thing.options)) {
      refuse('its options are no schema: leave `options` out, or give a zod schema, `z.strictObject({ … })`');
    }
  }

  #checkApi(plugin: Plugin): void {
    const { name, api } = plugin;
    const offered = this.#settings.api ?? API_VERSION;
    const refuse = (wanted: string): never => fail('PLUGIN_API', { name, wanted, offered });
    if (validRange(api) === null) refuse(`"${api}", which is no semver range`);
    // A pre-release counts as the version that it leads to: plugins for that version can be tried with it.
    if (!satisfies(offered, api, { includePrerelease: true })) refuse(api);
  }

  /** @param given options as the rc file has them */
  async #applyPlugin(plugin: Plugin, given: unknown, scope: Scope): Promise<void> {
    const { log, explain = asItIs, facade = (host) => host } = this.#settings;
    const plain = makeFacade({
      plugin: plugin.name,
      hooks: this.hooks,
      log,
      scope,
      addFields: (sets, order) => this.#addFields(plugin.name, sets, order),
      addQuirks: (quirks, order) => this.#addQuirks(plugin.name, quirks, order),
    });
    try {
      // Typed as void; an author of plain JavaScript may write an async function, whose failure must not get lost.
      const { wall } = this.hooks;
      const place = { plugin: plugin.name, what: 'apply', refusals };
      const deadline = this.hooks.deadline('apply');
      const options = await wall.wait(place, deadline, () => checkOptions(plugin, given, explain));
      const apply: () => unknown = () => plugin.apply(facade(plain, plugin.name), options);
      await wall.wait(place, deadline, apply);
    } catch (error) {
      if (!isPcibackError(error, 'PLUGIN_FAULT')) throw error;
      // Nothing of the plugin is in force then, which is more than a fault says.
      throw problem('PLUGIN_APPLY', { name: plugin.name, why: String(error.facts.why) }, error);
    }
  }

  #applyQuirk(quirk: Quirk, options: unknown, scope: Scope): void {
    const { name } = quirk;
    if (options !== undefined) {
      fail('PLUGIN_OPTIONS', { name, where: '(all)', why: 'a quirk takes no options', nearest: undefined });
    }
    scope.register(() => this.#addQuirks(name, [quirk], {}));
  }

  #addFields(plugin: string, sets: readonly FieldSet[], order: Order): Undo {
    const { fields } = this.registries;
    this.#settings.check?.({ plugin, fields: sets }, this.registries);
    return addAll(sets.map((thing) => () => fields.add({ plugin, name: thing.name, thing }, order)));
  }

  #addQuirks(plugin: string, added: readonly Quirk[], order: Order): Undo {
    const { quirks } = this.registries;
    this.#settings.check?.({ plugin, quirks: added }, this.registries);
    return addAll(added.map((thing) => () => quirks.add({ plugin, name: thing.name, thing }, order)));
  }
}

// SPDX-License-Identifier: MIT

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { describeError, fail, isPcibackError } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { Plugin } from '../../core/plugin/definition.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import type { PassedOver } from '../inventory.ts';
import { parseJson } from '../json.ts';
import { readText } from '../read-text.ts';
import { type Onlooker, thisProcess } from '../trust.ts';
import { byNeeds, byPrecedence, type FoundThing } from './arrange.ts';
import { assertAllTrusted, type Inspected } from './imports.ts';
import type { Loading } from './loading.ts';
import { type Doors, defaultExport, importFile } from './module.ts';
import { entryOf, nearestPackage, packagePlaces } from './packages.ts';

/** A plugin that comes with the package. */
export interface BundledPlugin {
  /** Imports its module, which default-exports a plugin, a quirk, or a list of them. */
  load(): Promise<unknown>;
  /** Whether it is loaded without being mentioned. */
  readonly byDefault: boolean;
  /** The only preset of `fields` that loads it without being mentioned; missing: every one. */
  readonly preset?: 'full';
  /** The only platform on which it is loaded without being mentioned; missing: every one. */
  readonly only?: string;
  /** The platform on which it is not, because others take its place there. */
  readonly except?: string;
  /** Name of the command that it brings, or of several: then it can be loaded for that alone. */
  readonly command?: string | readonly string[];
}

export type BundledPlugins = Readonly<Record<string, BundledPlugin>>;

/** Who asks for a plugin, and from where. */
export interface Asker {
  /** For messages: `pciback.config.ts: plugins[0]`. */
  readonly asked: string;
  /** Absolute; paths and packages are looked for from here. */
  readonly directory: string;
  readonly bundled: BundledPlugins;
  readonly onlooker?: Onlooker;
  /** What files import by name; missing: only what is installed where they lie. */
  readonly doors?: Doors;
  /** The folder of packages that is looked in last; missing: the one that this pciback lies in. */
  readonly beside?: string;
  /** What was looked at already; missing: nothing. */
  readonly inspected?: Inspected;
  /** Told before the code of a file runs. */
  readonly loading?: Loading;
  /** Reads files, and what they import, as they are now; missing: those that this process has imported before. */
  readonly how?: 'anew';
}

/** What a name led to. */
export interface ResolvedPlugin {
  /** As loaded from: `bundled`, or a file. */
  readonly origin: string;
  readonly things: readonly (Plugin | Quirk)[];
}

const isPath = (name: string): boolean => /^(\.{0,2}\/|\.{1,2}$)/.test(name);

const isThing = (value: unknown): value is Plugin | Quirk =>
  typeof value === 'object' && value !== null && 'kind' in value && (value.kind === 'plugin' || value.kind === 'quirk');

/** What a module brings. @throws PcibackError `PLUGIN_LOAD` */
const thingsOf = (module: unknown, name: string): readonly (Plugin | Quirk)[] => {
  const exported = defaultExport(module);
  const things: unknown[] = Array.isArray(exported) ? exported : [exported];
  if (things.length > 0 && things.every(isThing)) return things;
  return fail('PLUGIN_LOAD', {
    name,
    why: exported === undefined ? 'it has no default export' : 'its default export is neither a plugin nor a quirk',
  });
};

const fromModule = async (name: string, file: string, { doors = {}, how, loading }: Asker): Promise<ResolvedPlugin> => {
  let module: unknown;
  await loading?.begin(name, file);
  try {
    module = await importFile(file, doors, how);
  } catch (error) {
    if (isPcibackError(error)) throw error;
    return fail('PLUGIN_LOAD', { name, why: describeError(error) }, error);
  }
  return { origin: file, things: thingsOf(module, name) };
};

const fromJson = async (file: string): Promise<ResolvedPlugin> => {
  let data: unknown;
  try {
    data = parseJson(await readText(file));
  } catch (error) {
    return fail('QUIRK_INVALID', { quirk: file, where: 'the file', why: describeError(error) }, error);
  }
  const { quirkFromJson } = await import('./quirk-json.ts');
  return { origin: file, things: [quirkFromJson(data, file)] };
};

const unknownPath = async (name: string, file: string, asker: Asker): Promise<never> => {
  const siblings = await readdir(dirname(file)).catch((): string[] => []);
  const near = nearest(basename(file), siblings);
  return fail('PLUGIN_UNKNOWN', {
    name,
    asked: asker.asked,
    nearest: near === undefined ? undefined : name.slice(0, name.length - basename(name).length) + near,
    tried: [file],
  });
};

/** Endings of files that are code. */
const CODE: ReadonlySet<string> = new Set(['.ts', '.mts', '.js', '.mjs', '.cjs']);

const fromFile = async (name: string, file: string, asker: Asker): Promise<ResolvedPlugin> => {
  await assertAllTrusted(file, asker.onlooker ?? thisProcess(), asker.inspected);
  const ending = extname(file);
  if (ending === '.json') return fromJson(file);
  if (CODE.has(ending)) return fromModule(name, file, asker);
  return fail('PLUGIN_LOAD', { name, why: 'a plugin file ends in .ts, .js, .mjs or .json' });
};

const fromPath = async (name: string, asker: Asker): Promise<ResolvedPlugin> => {
  const file = resolve(asker.directory, name);
  return existsSync(file) ? fromFile(name, file, asker) : unknownPath(name, file, asker);
};

const fromPackage = async (name: string, asker: Asker): Promise<ResolvedPlugin> => {
  const file = await entryOf(name, asker.directory, asker.beside);
  if (file !== undefined) return fromFile(name, file, asker);
  const places = packagePlaces(asker.directory, asker.beside);
  return fail('PLUGIN_UNKNOWN', {
    name,
    asked: asker.asked,
    nearest: await nearestPackage(name, places, Object.keys(asker.bundled)),
    tried: ['the bundled plugins', ...places],
  });
};

/**
 * Finds a plugin by the name that an rc file has for it, in this order: a path (begins with `.` or `/`), a bundled
 * plugin, a package.
 *
 * @throws PcibackError `PLUGIN_UNKNOWN` with the nearest name and the places looked at, `PLUGIN_LOAD`,
 * `QUIRK_INVALID`, `CONFIG_UNTRUSTED`
 */
export const resolvePlugin = async (name: string, asker: Asker): Promise<ResolvedPlugin> => {
  if (isPath(name)) return fromPath(name, asker);
  const bundled = Object.hasOwn(asker.bundled, name) ? asker.bundled[name] : undefined;
  if (bundled) return { origin: 'bundled', things: thingsOf(await bundled.load(), name) };
  return fromPackage(name, asker);
};

/** A plugin that is to be loaded. */
export interface WantedPlugin {
  readonly name: string;
  /** As the rc file has them; `undefined`: none. */
  readonly options: unknown;
  readonly asker: Asker;
  /** See {@link FoundThing.rank}; missing: 0. */
  readonly rank?: number;
}

const thingsFound = ({ name, options, rank = 0 }: WantedPlugin, found: ResolvedPlugin): readonly FoundThing[] => {
  const { origin, things } = found;
  if (options !== undefined && things.length > 1) {
    fail('PLUGIN_OPTIONS', {
      name,
      where: '(all)',
      why: `it brings ${things.length} plugins, so it is not clear whose options these are`,
      nearest: undefined,
    });
  }
  return things.map((thing) => ({ thing, named: name, options, origin, rank }));
};

/**
 * Finds plugins by name. All are looked for at the same time: reading a module is mostly waiting.
 *
 * @param loading told whose code runs
 * @returns what their modules bring, in this order
 * @throws PcibackError as {@link resolvePlugin}, of the first that fails in this order; `PLUGIN_OPTIONS`
 */
export const findAll = async (wanted: readonly WantedPlugin[], loading?: Loading): Promise<readonly FoundThing[]> => {
  const searches = wanted.map((one) => ({
    one,
    found: resolvePlugin(one.name, { ...one.asker, ...(loading === undefined ? {} : { loading }) }),
  }));
  // Each is awaited in its turn below; until then its failure is not an unhandled one.
  for (const { found } of searches) found.catch(() => undefined);
  const all: FoundThing[] = [];
  for (const { one, found } of searches) {
    all.push(...thingsFound(one, await found));
    loading?.done(one.name);
  }
  return all;
};

/**
 * Loads what was found: what has the name of something with a lower rank not at all, and what a plugin needs before it.
 *
 * @returns what was passed over
 * @throws PcibackError `PLUGIN_NEEDS`, and as `PluginHost.load`
 */
export const loadFound = async (
  host: PluginHost,
  found: readonly FoundThing[],
  loading?: Loading,
): Promise<readonly PassedOver[]> => {
  const { counting, passedOver } = byPrecedence(found);
  for (const { thing, named = thing.name, options, origin } of byNeeds(counting)) {
    if (CODE.has(extname(origin))) await loading?.begin(named, origin);
    await host.load(thing, options, origin);
    loading?.done(named);
  }
  return passedOver;
};

/**
 * Finds a plugin by name and loads what its module brings.
 *
 * @param options as the rc file has them; `undefined`: none
 * @throws PcibackError as {@link findAll} and {@link loadFound}
 */
export const loadByName = async (host: PluginHost, name: string, options: unknown, asker: Asker): Promise<void> => {
  await loadFound(host, await findAll([{ name, options, asker }]));
};

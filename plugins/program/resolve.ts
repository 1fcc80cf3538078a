// SPDX-License-Identifier: MIT

import { existsSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeError, fail, isPcibackError, problem } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { Plugin } from '../../core/plugin/definition.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { parseJson } from '../json.ts';
import { readText } from '../read-text.ts';
import { assertTrusted, type Onlooker, thisProcess } from '../trust.ts';
import { type Doors, defaultExport, importFile } from './module.ts';

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

const fromModule = async (name: string, file: string, { doors = {}, how }: Asker): Promise<ResolvedPlugin> => {
  let module: unknown;
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

const fromPath = async (name: string, asker: Asker): Promise<ResolvedPlugin> => {
  const file = resolve(asker.directory, name);
  if (!existsSync(file)) return unknownPath(name, file, asker);
  await assertTrusted(file, asker.onlooker ?? thisProcess());
  switch (extname(file)) {
    case '.json':
      return fromJson(file);
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs':
    case '.cjs':
      return fromModule(name, file, asker);
    default:
      return fail('PLUGIN_LOAD', { name, why: 'a plugin file ends in .ts, .js, .mjs or .json' });
  }
};

/** The file a package is entered at, found as an import in a file of `directory` would find it. */
const entryOf = async (name: string, directory: string): Promise<string | undefined> => {
  const { createJiti } = await import('jiti');
  const from = pathToFileURL(join(directory, 'rc')).href;
  const found = createJiti(from, { fsCache: false }).esmResolve(name, {
    parentURL: from,
    conditions: ['node', 'import'],
    try: true,
  }) as string | undefined;
  if (found === undefined || !/^(file:|\/)/.test(found)) return undefined;
  return found.startsWith('file:') ? fileURLToPath(found) : found;
};

/** Where packages are looked for from a directory. */
const packagePlaces = (directory: string): string[] => {
  const places: string[] = [];
  for (let at = directory; ; at = dirname(at)) {
    places.push(join(at, 'node_modules'));
    if (dirname(at) === at) return places;
  }
};

const fromPackage = async (name: string, asker: Asker): Promise<ResolvedPlugin> => {
  const file = await entryOf(name, asker.directory);
  if (file === undefined || !existsSync(file)) {
    return fail('PLUGIN_UNKNOWN', {
      name,
      asked: asker.asked,
      nearest: nearest(name, Object.keys(asker.bundled)),
      tried: ['the bundled plugins', ...packagePlaces(asker.directory)],
    });
  }
  await assertTrusted(file, asker.onlooker ?? thisProcess());
  return fromModule(name, file, asker);
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
}

const putInForce = async (host: PluginHost, wanted: WantedPlugin, found: ResolvedPlugin): Promise<void> => {
  const { name, options } = wanted;
  const { origin, things } = found;
  if (options !== undefined && things.length > 1) {
    fail('PLUGIN_OPTIONS', {
      name,
      where: '(all)',
      why: `it brings ${things.length} plugins, so it is not clear whose options these are`,
      nearest: undefined,
    });
  }
  for (const thing of things) await host.load(thing, options, origin);
};

/**
 * Code that ends the process while it is loaded does so without a word, and with any status: then those that were being loaded
 * are named.
 *
 * @returns ends it
 */
const namingWhoEnds = (loading: () => readonly WantedPlugin[]): (() => void) => {
  const say = (): void => {
    const name = loading()
      .map((one) => one.name)
      .join(' or ');
    if (name === '') return;
    const why = 'the process was ended meanwhile, as by process.exit in its code';
    const { code, message, solve } = problem('PLUGIN_LOAD', { name, why });
    process.exitCode = 1;
    writeSync(2, `error ${code}: ${message}\n  next: ${solve}\n`);
  };
  process.once('exit', say);
  return () => process.off('exit', say);
};

/**
 * Finds plugins by name and loads what their modules bring, in this order. All are looked for at the same time: reading
 * a module is mostly waiting.
 *
 * @throws PcibackError as {@link resolvePlugin} and `PluginHost.load`, of the first that fails in this order
 */
export const loadAllByName = async (host: PluginHost, wanted: readonly WantedPlugin[]): Promise<void> => {
  const searches = wanted.map((one) => ({ one, found: resolvePlugin(one.name, one.asker) }));
  // Each is awaited in its turn below; until then its failure is not an unhandled one.
  for (const { found } of searches) found.catch(() => undefined);
  const inForce = new Set<WantedPlugin>();
  const isOver = namingWhoEnds(() =>
    wanted.filter((one) => !inForce.has(one) && !Object.hasOwn(one.asker.bundled, one.name)),
  );
  try {
    for (const { one, found } of searches) {
      await putInForce(host, one, await found);
      inForce.add(one);
    }
  } finally {
    isOver();
  }
};

/**
 * Finds a plugin by name and loads what its module brings.
 *
 * @param options as the rc file has them; `undefined`: none
 * @throws PcibackError as {@link resolvePlugin} and `PluginHost.load`
 */
export const loadByName = (host: PluginHost, name: string, options: unknown, asker: Asker): Promise<void> =>
  loadAllByName(host, [{ name, options, asker }]);

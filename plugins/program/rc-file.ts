// SPDX-License-Identifier: MIT

import { accessSync, constants, lstatSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Config, LoadedConfig } from '../kinds/config.ts';
import { assertFile } from '../read-text.ts';
import { assertTrusted, type Onlooker, thisProcess } from '../trust.ts';
import { defaultConfig } from './defaults.ts';
import type { Doors } from './module.ts';

export interface LoadOptions {
  /** The rc file, instead of searching for one. */
  readonly file?: string;
  /** Where the search begins, and what `file` counts from. */
  readonly cwd: string;
  /** Searched after `cwd`. */
  readonly systemDirectory?: string;
  readonly onlooker?: Onlooker;
  /** What an rc file that is code imports by name; missing: only what is installed where it lies. */
  readonly doors?: Doors;
  /** Reads the default export of an rc file that is code; missing: it is imported into this process. */
  readonly readCode?: ReadCode;
}

/** @throws Error in words why it cannot be read */
export type ReadCode = (file: string) => Promise<unknown>;

/** Names of rc files in a directory, the first that is there is taken. */
export const searchPlaces: readonly string[] = [
  'pciback.config.ts',
  'pciback.config.js',
  'pciback.config.mjs',
  'pciback.config.json',
  'pciback.config.yaml',
  'pciback.config.yml',
  '.pcibackrc',
  'package.json',
];

/** The directory of rc files for the whole host. */
export const SYSTEM_DIRECTORY = '/etc/pciback';

/** Key in which editors look for the JSON schema; it says nothing to pciback. */
const SCHEMA = '$schema';

/** The core's keys, and the others. */
const splitKeys = (data: object, known: readonly string[]) => {
  const of = (which: 'core' | 'plugins') =>
    Object.fromEntries(
      Object.entries(data).filter(([key]) => key !== SCHEMA && known.includes(key) === (which === 'core')),
    );
  return { core: of('core'), values: of('plugins') };
};

/**
 * Checks what an rc file says to the core; its other keys become sections, which `checkSections` judges when
 * the plugins are loaded.
 *
 * @param file for messages
 * @param directory absolute; paths in the rc file count from here
 * @throws PcibackError `CONFIG_INVALID` naming the key.
 */
export const parseConfig = async (data: unknown, file: string, directory: string): Promise<Config> => {
  const [{ configSchema }, { explainIssue }] = await Promise.all([import('./schema.ts'), import('../schema-issue.ts')]);
  const isObject = typeof data === 'object' && data !== null && !Array.isArray(data);
  const { core, values } = isObject ? splitKeys(data, Object.keys(configSchema.shape)) : { core: data, values: {} };
  const parsed = configSchema.safeParse(core, { reportInput: true });
  if (parsed.success) return { ...parsed.data, sections: { file, directory, values } };
  return fail('CONFIG_INVALID', { file, ...explainIssue(configSchema, parsed.error.issues[0]) });
};

const importDefault = async (file: string, doors: Doors): Promise<unknown> => {
  const { defaultExport, importFile } = await import('./module.ts');
  return defaultExport(await importFile(file, doors));
};

type Load = (file: string, content: string) => unknown;

const unreadable = (file: string, error: unknown): never => {
  if (isPcibackError(error)) throw error;
  // A loader puts a header before the reason, and an excerpt of the file behind it.
  const why = describeError(error)
    .split('\n')
    .find((line) => line.trim() !== '' && !/^YAML Error in /.test(line));
  return fail('CONFIG_UNREADABLE', { file, why: why?.trim() ?? 'it gives no reason' }, error);
};

/** Wraps what reads a kind of file: the trust check comes first, and every error says which file. */
const guarded =
  (load: Load, onlooker: Onlooker) =>
  async (file: string, content: string): Promise<unknown> => {
    await assertTrusted(file, onlooker);
    try {
      return await load(file, content);
    } catch (error) {
      return unreadable(file, error);
    }
  };

/** What of a text says that a package has a section for pciback; `"pciback": "^1"` is a dependency. */
const OWN_SECTION = /"pciback"\s*:\s*[^\s"]/;

/**
 * Any directory has a package.json that says nothing of pciback; only one that does is a matter of trust. What is wrong with
 * another program's is not pciback's to complain of.
 */
const exceptForeignPackages =
  (load: Load, guardedLoad: Load): Load =>
  async (file, content) => {
    if (basename(file) !== 'package.json' || OWN_SECTION.test(content)) return guardedLoad(file, content);
    let data: { readonly pciback?: unknown } | null;
    try {
      data = (await load(file, content)) as typeof data;
    } catch {
      return {};
    }
    // The key may be written in another way.
    return data?.pciback === undefined ? (data ?? {}) : guardedLoad(file, content);
  };

const importConfig =
  (onlooker: Onlooker, readCode: ReadCode): Load =>
  async (file) => {
    const { assertAllTrusted } = await import('./imports.ts');
    await assertAllTrusted(file, onlooker);
    return (await readCode(file)) ?? fail('CONFIG_UNREADABLE', { file, why: 'it has no default export' });
  };

const json: Load = (_file, content) => parseJson(content);

const makeExplorer = async (onlooker: Onlooker, readCode: ReadCode) => {
  const { cosmiconfig, defaultLoaders } = await import('cosmiconfig');
  const data = (load: Load) => guarded(load, onlooker);
  const code = guarded(importConfig(onlooker, readCode), onlooker);
  // On creation cosmiconfig looks for settings of its own in the working directory and runs them when they are code.
  // A root process may stand in a directory that others write to, so it is created in one where only root can.
  const here = process.cwd();
  process.chdir('/');
  try {
    return cosmiconfig('pciback', {
      searchPlaces: [...searchPlaces],
      searchStrategy: 'none',
      cache: false,
      loaders: {
        '.ts': code,
        '.js': code,
        '.mjs': code,
        '.cjs': code,
        '.json': exceptForeignPackages(json, data(json)),
        '.yaml': data(defaultLoaders['.yaml']),
        '.yml': data(defaultLoaders['.yml']),
        noExt: data(defaultLoaders.noExt),
      },
    });
  } finally {
    process.chdir(here);
  }
};

/** Also a link that leads nowhere. Who may not look cannot know. */
const isThere = (file: string): boolean => {
  try {
    lstatSync(file);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))) return false;
    return fail('CONFIG_UNREADABLE', { file, why: describeError(error) }, error);
  }
};

/** A search passes over files that it may not read; an rc file that is there and not in force would be a surprise. */
const assertReadable = (directory: string): boolean => {
  let found = false;
  for (const place of searchPlaces) {
    const file = join(directory, place);
    if (!isThere(file)) continue;
    try {
      accessSync(file, constants.R_OK);
      assertFile(file);
    } catch (error) {
      // As with what is in it: another program's is not pciback's to complain of.
      if (place === 'package.json') continue;
      fail('CONFIG_UNREADABLE', { file, why: describeError(error) }, error);
    }
    found = true;
  }
  return found;
};

/**
 * Finds and checks the rc file. To be called on the main thread.
 *
 * Searched are {@link searchPlaces} in `cwd`, then in /etc/pciback; parents of `cwd` are not. As root, a file that others
 * could change is refused, not passed over.
 *
 * @throws PcibackError `CONFIG_UNREADABLE`, `CONFIG_INVALID`, `CONFIG_UNTRUSTED`
 */
export const loadConfig = async (options: LoadOptions): Promise<LoadedConfig> => {
  const { cwd, systemDirectory = SYSTEM_DIRECTORY, onlooker = thisProcess(), doors = {} } = options;
  const { readCode = async (file) => importDefault(file, doors) } = options;
  if (options.file !== undefined) {
    const file = resolve(cwd, options.file);
    try {
      assertFile(file);
    } catch (error) {
      unreadable(file, error);
    }
    const explorer = await makeExplorer(onlooker, readCode);
    const found = await explorer.load(file).catch((error: unknown) => unreadable(file, error));
    const said: unknown = found?.config ?? {};
    const config = await parseConfig(said, file, dirname(file));
    return { config, file, directory: dirname(file), said: said as LoadedConfig['said'] & {} };
  }
  for (const directory of [resolve(cwd), systemDirectory]) {
    if (!assertReadable(directory)) continue;
    const explorer = await makeExplorer(onlooker, readCode);
    const found = await explorer.search(directory).catch((error: unknown) => unreadable(directory, error));
    if (found) {
      const config = await parseConfig(found.config, found.filepath, directory);
      return { config, file: found.filepath, directory, said: found.config };
    }
  }
  return { config: defaultConfig(), directory: resolve(cwd) };
};

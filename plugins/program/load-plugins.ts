// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { nearest } from '../../core/errors/nearest.ts';
import type { Logger } from '../../core/log.ts';
import type { Plugin } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { bundled } from '../bundled.ts';
import { placeText } from '../code-failure.ts';
import { fail } from '../errors.ts';
import { notePlaces, type PassedOver } from '../inventory.ts';
import type { Config, LoadedConfig, PluginEntry } from '../kinds/config.ts';
import { kinds } from '../kinds/kinds.ts';
import { explainIssue } from '../schema-issue.ts';
import type { FoundThing } from './arrange.ts';
import { doors } from './doors.ts';
import { filesIn } from './folders.ts';
import { helpfulHost } from './helpful-host.ts';
import { Inspected } from './imports.ts';
import { Loading } from './loading.ts';
import { NeedfulHost } from './needs.ts';
import { refuseOverlap } from './overlap.ts';
import { type Asker, type BundledPlugin, findAll, loadFound, resolvePlugin, type WantedPlugin } from './resolve.ts';
import { checkSections } from './sections.ts';

const nameOf = (entry: PluginEntry): string => (typeof entry === 'string' ? entry : entry[0]);

/** Of the rc file; folders have the ranks behind it, and what is bundled has the last. */
const RC_RANK = 0;

/**
 * @param found what the folders have
 * @throws PcibackError `CONFIG_INVALID` for a name in `without` that nothing has which is loaded unasked, or that is in `plugins` too
 */
const checkWithout = ({ without, plugins }: Config, found: readonly FoundThing[], file: string): void => {
  const known = [...Object.keys(bundled), ...found.map(({ thing }) => thing.name)];
  for (const [index, name] of without.entries()) {
    const key = `without[${index}]`;
    if (!known.includes(name)) {
      const why = `there is no bundled plugin "${name}"`;
      fail('CONFIG_INVALID', { file, key, why, nearest: nearest(name, known) });
    }
    if (plugins.some((entry) => nameOf(entry) === name)) {
      fail('CONFIG_INVALID', { file, key, why: `"${name}" stands in plugins too`, nearest: undefined });
    }
  }
};

/** The bundled plugins that nobody has to name. */
const unasked = ({ plugins, without, fields, platform }: Config): readonly string[] => {
  const named = new Set(plugins.map(nameOf));
  return Object.entries<BundledPlugin>(bundled).flatMap(([name, { byDefault, preset, only, except }]) =>
    byDefault &&
    !named.has(name) &&
    !without.includes(name) &&
    (preset === undefined || preset === fields) &&
    (only === undefined || only === platform) &&
    except !== platform
      ? [name]
      : [],
  );
};

/** A folder in which a file is enough, and its files; `undefined`: it is not there. */
interface Folder {
  readonly path: string;
  readonly files: readonly string[] | undefined;
}

/** @throws PcibackError `CONFIG_UNTRUSTED`, `CONFIG_UNREADABLE` */
const foldersOf = ({ config, directory }: LoadedConfig): Promise<readonly Folder[]> =>
  Promise.all(
    (config.folders ?? []).map(async (folder) => {
      const path = resolve(directory, folder);
      return { path, files: await filesIn(path) };
    }),
  );

/** The files of the folders of a configuration. @throws PcibackError `CONFIG_UNTRUSTED`, `CONFIG_UNREADABLE` */
export const folderFiles = async (loaded: LoadedConfig): Promise<readonly string[]> =>
  (await foldersOf(loaded)).flatMap(({ files = [] }) => files);

/**
 * Loads the bundled plugins of the preset, then those of the folders, then the plugins and quirks of the rc file, then `more`;
 * checks what they need of each other, the order of the hooks and the sections of the rc file. Of two with one name that of the rc
 * file counts, then that of the first folder. A bundled plugin that the rc file names is loaded once, in the rc file's place and
 * with its options; what stands in `without` is not loaded.
 *
 * @throws PcibackError what resolving and loading throw, naming rc file and key; `CONFIG_INVALID` for a section
 */
export const loadPlugins = async (
  loaded: LoadedConfig,
  log: Logger,
  more: readonly (Plugin | Quirk)[] = [],
): Promise<PluginHost> => {
  const { config, directory } = loaded;
  const file = loaded.file ?? '(defaults)';
  const asker = (asked: string): Asker => ({ asked, directory, bundled, doors });
  const host: PluginHost = new NeedfulHost({
    kinds,
    check: refuseOverlap,
    explain: explainIssue,
    place: placeText,
    facade: (plain, plugin) => helpfulHost(plain, plugin, () => host.hooks.wall),
    log,
    deadlines: config.deadlines,
    read: async (name, asked) => (await resolvePlugin(name, { ...asker(asked), how: 'anew' })).things,
  });
  const inspected = new Inspected();
  const want = (name: string, asked: string, rank: number, options?: unknown): WantedPlugin => ({
    name,
    options,
    asker: { ...asker(asked), inspected },
    rank,
  });
  const folders = await foldersOf(loaded);
  const wanted = [
    ...unasked(config).map((name) => want(name, 'bundled', folders.length + 1)),
    ...folders
      .map(({ path, files = [] }, index) => files.map((one) => want(one, path, index + 1)))
      .reverse()
      .flat(),
    ...config.plugins.map((entry, index) =>
      want(nameOf(entry), `${file}: plugins[${index}]`, RC_RANK, typeof entry === 'string' ? undefined : entry[1]),
    ),
    // Unlike plugins, quirks are files only: "nic.json" is one without "./".
    ...config.quirks.map((path, index) => want(resolve(directory, path), `${file}: quirks[${index}]`, RC_RANK)),
  ];
  const loading = new Loading();
  const load = async (): Promise<readonly PassedOver[]> => {
    const found = await findAll(wanted, loading);
    const ofFolders = found.filter(({ rank }) => rank > RC_RANK && rank <= folders.length);
    checkWithout(config, ofFolders, file);
    return loadFound(
      host,
      [
        ...found.filter((one) => !ofFolders.includes(one) || !config.without.includes(one.thing.name)),
        ...more.map((thing) => ({ thing, options: undefined, origin: 'given', rank: RC_RANK })),
      ],
      loading,
    );
  };
  let passedOver: readonly PassedOver[];
  try {
    passedOver = await load();
  } catch (error) {
    await loading.over();
    throw error;
  }
  await loading.over(host.registries.parts.names.includes('loop'));
  for (const one of passedOver) log.info({ ...one }, 'passed over: another has its name');
  notePlaces(host, {
    places: [
      { name: file },
      ...folders.map(({ path, files }) => ({ name: path, ...(files === undefined ? {} : { files: files.length }) })),
      { name: 'bundled' },
    ],
    passedOver,
  });
  host.seal();
  checkSections(config, host.registries);
  return host;
};

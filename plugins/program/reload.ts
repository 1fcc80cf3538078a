// SPDX-License-Identifier: MIT

import { isAbsolute, resolve } from 'node:path';
import { definePlugin, type Plugin } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { SerialQueue } from '../../core/serial-queue.ts';
import { fail } from '../errors.ts';
import { changedSince, filesOf, markOf, markOfAll } from '../imported.ts';
import type { Config, LoadedConfig } from '../kinds/config.ts';
import { exchangeQuirks, loadedFrom, type QuirkOfFile } from '../quirk-files.ts';
import { sectionsOf } from '../read-section.ts';
import { folderFiles } from './load-plugins.ts';
import { assertNames } from './names.ts';

/** Keys that are read at each use, or whose things are loaded and unloaded between two requests. */
const inPlace = [
  'log',
  'permissive',
  'allowInterruptControl',
  'allowInUse',
  'allowSharedPages',
  'guests',
  'interrupts',
  'slots',
  'shutdownSeconds',
  'quirks',
] as const satisfies readonly (keyof Config)[];
const isInPlace = (key: string): boolean => (inPlace as readonly string[]).includes(key);

/** What a reload came to. */
export interface ReloadReport {
  /** The rc file that was read; missing: there is none. */
  readonly file?: string;
  /** Keys that say something else than before and are in force now; none: it says the same. */
  readonly keys: readonly string[];
}

/** What reads the configuration anew and puts it in force. */
export interface Reloading {
  /** The configuration in force. */
  readonly loaded: LoadedConfig;
  /** @throws PcibackError why it is refused; then all that was in force before still is */
  reload(): Promise<ReloadReport>;
}

/** A configuration that is read at each use, and changed by a reload alone. */
export type LiveConfig = { -readonly [Key in keyof Config]: Config[Key] };

/** What is reloaded, and how. */
export interface ReloaderTerms {
  readonly plugins: PluginHost;
  readonly inForce: LiveConfig;
  readonly loaded: LoadedConfig;
  /** Reads the configuration anew, with what the command line says over it. */
  read(): Promise<LoadedConfig>;
  /** Puts the least level of the log in force. */
  setLevel(level: Config['log']['level']): void;
  /** Tells the patterns of a configuration which functions there are, and says which are for none. Missing: nobody does. */
  readonly meet?: (config: Config) => Promise<void>;
  /** When the plugins were loaded, as `Date.now()` has it; missing: now. */
  readonly since?: number;
}

/** Patterns have functions; their texts say what they are. */
const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The keys of the core and the sections that say something else. */
const differences = (old: LoadedConfig, next: LoadedConfig): string[] => {
  const keys = [...new Set([...Object.keys(old.config), ...Object.keys(next.config)])];
  const ofCore = (keys as (keyof Config)[]).filter(
    (key) => key !== 'sections' && !isSame(old.config[key], next.config[key]),
  );
  const [before, after] = [sectionsOf(old.config).values, sectionsOf(next.config).values];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const moved = old.directory === next.directory ? [] : ['the folder that paths count from'];
  return [...ofCore, ...names.filter((name) => !isSame(before[name], after[name])), ...moved].sort();
};

/** Whether a file, and what it imports, says what it said. */
type Unchanged = () => Promise<boolean>;

/** As it was loaded some time ago. */
const sinceThen = (file: string, since: number): Unchanged => {
  const mark = markOf(file);
  return async () => mark === markOf(file) && changedSince((await filesOf(file)).slice(1), since) === undefined;
};

/** As it is read right after this. */
const fromNow = async (file: string): Promise<Unchanged> => {
  const mark = await markOfAll(file);
  return async () => mark === (await markOfAll(file));
};

/** Puts the quirks of files in force, and takes them back when one of them is refused. */
class QuirkFiles {
  readonly #plugins: PluginHost;
  readonly #known = new Map<string, Unchanged>();

  constructor(plugins: PluginHost) {
    this.#plugins = plugins;
  }

  /** Notes the files that are in force. @param since when they were loaded */
  note(files: readonly string[], since: number): void {
    for (const file of files) this.#known.set(file, sinceThen(file, since));
  }

  /** Those of the files, and of the ones before, that are new, gone, or say something else. */
  async differing(files: readonly string[]): Promise<string[]> {
    const found = [...this.#known.keys()].filter((file) => !files.includes(file));
    for (const file of files) if ((await this.#known.get(file)?.()) !== true) found.push(file);
    return found;
  }

  /** @throws PcibackError what reading and loading throw; nothing has changed then */
  async change(files: readonly string[], differing: readonly string[], asked: string): Promise<void> {
    const plugins = this.#plugins;
    const wanted: QuirkOfFile[] = [];
    const read = new Map<string, Unchanged>();
    for (const file of differing.filter((one) => files.includes(one))) {
      read.set(file, await fromNow(file));
      for (const thing of await plugins.read(file, asked)) {
        if (thing.kind !== 'quirk') fail('RELOAD_REFUSED', { file, keys: [`plugin ${thing.name}`] });
        wanted.push({ file, quirk: thing as Quirk });
      }
    }
    await exchangeQuirks(plugins, loadedFrom(plugins, differing), wanted);
    for (const file of differing) this.#known.delete(file);
    for (const [file, unchanged] of read) this.#known.set(file, unchanged);
  }
}

/**
 * Reads the configuration of a running pciback anew. What can change in place does, for guests and devices from their next
 * assignment on; when one key cannot, nothing changes.
 */
export class Reloader implements Reloading {
  readonly #terms: ReloaderTerms;
  readonly #queue = new SerialQueue();
  readonly #quirks: QuirkFiles;
  readonly #begun: Promise<void>;
  /** Files of what cannot be exchanged, and the names of that. */
  readonly #plugins = new Map<string, string>();
  readonly #since: number;
  #loaded: LoadedConfig;

  constructor(terms: ReloaderTerms) {
    this.#terms = terms;
    this.#loaded = terms.loaded;
    this.#since = terms.since ?? Date.now();
    this.#quirks = new QuirkFiles(terms.plugins);
    this.#begun = this.#begin();
    // Whoever asks for a reload is told.
    this.#begun.catch(() => undefined);
  }

  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  /**
   * @throws PcibackError `RELOAD_REFUSED` with the keys that cannot change in place; `CHOICE_UNKNOWN`, and what reading the
   * configuration and loading quirks throw
   */
  reload(): Promise<ReloadReport> {
    return this.#queue.run(() => this.#reload());
  }

  async #reload(): Promise<ReloadReport> {
    const { inForce, read, setLevel } = this.#terms;
    await this.#begun;
    const next = await read();
    const file = next.file ?? '(defaults)';
    const keys = differences(this.#loaded, next);
    const fixed = keys.filter((key) => !isInPlace(key));
    fixed.push(...(await this.#editedPlugins()));
    if (fixed.length > 0) fail('RELOAD_REFUSED', { file, keys: fixed });
    assertNames(this.#terms.plugins, next.config);
    await this.#terms.meet?.(next.config);
    const files = await this.#filesOf(next);
    const differing = await this.#quirks.differing(files);
    if (differing.length > 0) {
      await this.#quirks.change(files, differing, `${file}: quirks`);
      if (!keys.includes('quirks')) keys.push('quirks');
    }
    for (const key of inPlace) Object.assign(inForce, { [key]: next.config[key] });
    setLevel(next.config.log.level);
    this.#loaded = next;
    return { keys, ...(next.file === undefined ? {} : { file: next.file }) };
  }

  async #begin(): Promise<void> {
    const { plugins, loaded } = this.#terms;
    const named = this.#named(loaded);
    this.#quirks.note(named, this.#since);
    const files = await this.#filesOf(loaded);
    this.#quirks.note(
      files.filter((file) => !named.includes(file)),
      this.#since,
    );
    for (const { origin, name } of plugins.loaded) {
      if (isAbsolute(origin) && !files.includes(origin)) this.#plugins.set(origin, name);
    }
  }

  /** Plugins whose files, or what those import, say something else than what runs. */
  async #editedPlugins(): Promise<string[]> {
    const edited: string[] = [];
    for (const [origin, name] of this.#plugins) {
      const changed = await changedSince(await filesOf(origin), this.#since);
      if (changed !== undefined) edited.push(`plugin ${name} (${changed} was edited)`);
    }
    return edited;
  }

  #named({ config, directory }: LoadedConfig): string[] {
    return config.quirks.map((path) => resolve(directory, path));
  }

  async #filesOf(loaded: LoadedConfig): Promise<string[]> {
    return [...new Set([...this.#named(loaded), ...(await folderFiles(loaded))])];
  }
}

/** Name of the part that offers {@link Reloading}. */
export const CONFIGURATION = 'configuration';

/** Lets parts reload the configuration, by a part that offers it. @param reloading asked at each use */
export const offerReloading = (reloading: () => Reloading | undefined): Plugin =>
  definePlugin({
    name: 'program/configuration',
    api: '^1.0',
    apply: (host) => {
      host.parts.add(CONFIGURATION, {
        about: 'Reads the configuration anew.',
        start: () => ({
          get offers() {
            return reloading();
          },
        }),
      });
    },
  });

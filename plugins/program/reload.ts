// SPDX-License-Identifier: MIT

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { definePlugin, type Plugin } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { SerialQueue } from '../../core/serial-queue.ts';
import { fail } from '../errors.ts';
import type { Config, LoadedConfig } from '../kinds/config.ts';
import { sectionsOf } from '../read-section.ts';

/** Keys that are read at each use, or whose things are loaded and unloaded between two requests. */
const inPlace = [
  'log',
  'permissive',
  'allowInterruptControl',
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

/** What tells that a file was written since. */
const markOf = (file: string): string => {
  const facts = statSync(file, { throwIfNoEntry: false });
  return facts === undefined ? 'gone' : `${facts.mtimeMs} ${facts.size} ${facts.ino}`;
};

/** Puts the quirks of files in force, and takes them back when one of them is refused. */
class QuirkFiles {
  readonly #plugins: PluginHost;
  readonly #marks = new Map<string, string>();

  constructor(plugins: PluginHost, files: readonly string[]) {
    this.#plugins = plugins;
    for (const file of files) this.#marks.set(file, markOf(file));
  }

  /** Whether another file is wanted, or one says something else. */
  differ(files: readonly string[]): boolean {
    return files.length !== this.#marks.size || files.some((file) => this.#marks.get(file) !== markOf(file));
  }

  /** @returns takes all of it back @throws PcibackError what reading and loading throw; nothing has changed then */
  async change(files: readonly string[], asked: string): Promise<() => Promise<void>> {
    const plugins = this.#plugins;
    const marks = new Map(files.map((file) => [file, markOf(file)]));
    const changed = files.filter((file) => this.#marks.get(file) !== marks.get(file));
    const wanted: { readonly file: string; readonly quirk: Quirk }[] = [];
    for (const file of changed) {
      for (const thing of await plugins.read(file, asked)) {
        if (thing.kind !== 'quirk') fail('RELOAD_REFUSED', { file, keys: [`plugin ${thing.name}`] });
        wanted.push({ file, quirk: thing as Quirk });
      }
    }
    const stays = files.filter((file) => !changed.includes(file));
    const old = plugins.loaded.filter(({ origin }) => this.#marks.has(origin) && !stays.includes(origin));
    const undos: (() => unknown)[] = [];
    const undo = async (): Promise<void> => {
      for (const one of undos.reverse()) await one();
    };
    try {
      for (const { name, origin } of old) {
        const thing = plugins.registries.quirks.entries.find((one) => one.name === name)?.thing;
        const next = wanted.find(({ quirk }) => quirk.name === name);
        if (next === undefined) plugins.unload(name);
        else await plugins.replace(next.quirk, undefined, next.file);
        if (thing !== undefined) undos.push(() => plugins.replace(thing, undefined, origin));
      }
      for (const { file, quirk } of wanted) {
        if (old.some(({ name }) => name === quirk.name)) continue;
        await plugins.load(quirk, undefined, file);
        undos.push(() => plugins.unload(quirk.name));
      }
    } catch (error) {
      await undo();
      throw error;
    }
    this.#marks.clear();
    for (const [file, mark] of marks) this.#marks.set(file, mark);
    return undo;
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
  #loaded: LoadedConfig;

  constructor(terms: ReloaderTerms) {
    this.#terms = terms;
    this.#loaded = terms.loaded;
    this.#quirks = new QuirkFiles(terms.plugins, this.#filesOf(terms.loaded));
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
    const next = await read();
    const file = next.file ?? '(defaults)';
    const keys = differences(this.#loaded, next);
    const fixed = keys.filter((key) => !isInPlace(key));
    if (fixed.length > 0) fail('RELOAD_REFUSED', { file, keys: fixed });
    this.#checkNames(next.config);
    const files = this.#filesOf(next);
    if (this.#quirks.differ(files)) {
      await this.#quirks.change(files, `${file}: quirks`);
      if (!keys.includes('quirks')) keys.push('quirks');
    }
    for (const key of inPlace) Object.assign(inForce, { [key]: next.config[key] });
    setLevel(next.config.log.level);
    this.#loaded = next;
    return { keys, ...(next.file === undefined ? {} : { file: next.file }) };
  }

  #filesOf({ config, directory }: LoadedConfig): string[] {
    return config.quirks.map((path) => resolve(directory, path));
  }

  #checkNames({ slots, interrupts, guests }: Config): void {
    const { registries } = this.#terms.plugins;
    for (const one of [{ slots, interrupts }, ...Object.values(guests)]) {
      if (one.slots !== undefined) registries.slots.get(one.slots);
      if (one.interrupts !== undefined) registries.interrupts.get(one.interrupts);
    }
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

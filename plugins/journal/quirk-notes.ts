// SPDX-License-Identifier: MIT

import { type Bdf, formatBdf, parseBdf } from '../../core/bdf.ts';
import type { PreparedChange, RegistrationChange } from '../../core/changes.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import type { Records } from '../../core/journal.ts';
import type { Logger } from '../../core/log.ts';
import type { PciIdentity } from '../../core/platform/index.ts';
import type { Plugin } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { type DeviceMatch, matches, type Quirk } from '../../core/quirk/quirk.ts';
import type { LoadNotes, LoadSource } from '../journal-offers.ts';
import { parseQuirkText, quirkOfText } from '../quirk-text.ts';

/** A quirk or plugin that came or went while guests ran: where it is from and for whom it is, not what it says. */
export interface QuirkRecord {
  /** Missing: a quirk. */
  readonly kind?: 'plugin' | undefined;
  /** A path, or the name of a bundled plugin or a package. */
  readonly file?: string | undefined;
  /** Of a plugin, as they were given. */
  readonly options?: unknown;
  /** It is a plugin that brought registers, for whatever device. */
  readonly registers?: true | undefined;
  readonly text?: string | undefined;
  /** Addresses that it is limited to; missing: every device that fits. */
  readonly only?: readonly string[] | undefined;
  readonly match?: readonly DeviceMatch[] | undefined;
  /** It is being put in force, which may still be refused. */
  readonly begun?: true | undefined;
  /** One of the configuration that was unloaded. */
  readonly gone?: true | undefined;
}

/** A quirk or plugin that was in force in an earlier process, and cannot be in this one. */
export interface MissingQuirk {
  readonly kind: 'quirk' | 'plugin';
  readonly name: string;
  readonly why: string;
  isFor(identity: PciIdentity): boolean;
}

const nothing: QuirkRecord = {
  file: undefined,
  text: undefined,
  only: undefined,
  match: undefined,
  begun: undefined,
  gone: undefined,
  kind: undefined,
  options: undefined,
  registers: undefined,
};

const noEffect: PreparedChange = { commit: () => ({ devices: 0, waiting: 0, ms: 0, failures: [] }) };

/** What this needs. */
export interface KeptQuirksTerms {
  readonly records: Records<QuirkRecord>;
  readonly plugins: PluginHost;
  readonly log: Logger;
}

/** Notes the quirks and plugins that come and go while guests run, and loads those of an earlier process. */
export class KeptQuirks implements LoadNotes {
  readonly #terms: KeptQuirksTerms;
  /** Names that the configuration brings: a next process loads them unless it is told not to. */
  readonly #configured: Set<string>;

  /** To be made when the configuration is loaded. */
  constructor(terms: KeptQuirksTerms) {
    this.#terms = terms;
    this.#configured = new Set(terms.plugins.loaded.map(({ name }) => name));
  }

  async loading<Result>(thing: Plugin | Quirk, from: LoadSource, work: () => Promise<Result>): Promise<Result> {
    const { records } = this.#terms;
    const { name } = thing;
    const takeBack = this.#takeBackOf(name);
    const facts: QuirkRecord =
      thing.kind === 'plugin' ? { kind: 'plugin' } : { only: thing.only?.map(formatBdf), match: thing.match };
    // Before it is in force: what a guest did under it would be lost under other rules.
    records.merge(name, { ...nothing, ...from, ...facts, begun: true });
    try {
      const result = await work();
      const registers = thing.kind === 'plugin' && this.#bringsRegisters(name) ? true : undefined;
      records.merge(name, { begun: undefined, registers });
      return result;
    } catch (error) {
      takeBack();
      throw error;
    }
  }

  #bringsRegisters(plugin: string): boolean {
    const { fields, surgery, quirks } = this.#terms.plugins.registries;
    return [fields, surgery, quirks].some(({ owned }) => owned.some((one) => one.plugin === plugin));
  }

  unloading<Result>(name: string, work: () => Result): Result {
    const takeBack = this.#takeBackOf(name);
    if (this.#configured.has(name)) this.#terms.records.merge(name, { ...nothing, gone: true });
    else this.#terms.records.delete(name);
    try {
      return work();
    } catch (error) {
      takeBack();
      throw error;
    }
  }

  #takeBackOf(name: string): () => void {
    const { records } = this.#terms;
    const before = records.get(name);
    return () => (before === undefined ? records.delete(name) : records.merge(name, { ...nothing, ...before }));
  }

  /** Whoever else loads and unloads goes by the configuration: what was noted against it is over. */
  heard({ what, name }: RegistrationChange): PreparedChange {
    const { records } = this.#terms;
    const note = records.get(name);
    if (note?.begun === true) return noEffect;
    if (what === 'loaded') this.#configured.add(name);
    if (note !== undefined && (what === 'unloaded') !== (note.gone === true)) records.delete(name);
    return noEffect;
  }

  /**
   * Puts in force again what an earlier process had, through the same checks as the first time. To be done before guests are
   * continued.
   *
   * @returns what was in force and is refused now; it stays noted until {@link forget}
   */
  async loadEarlier(): Promise<MissingQuirk[]> {
    const { records, plugins, log } = this.#terms;
    const missing: MissingQuirk[] = [];
    for (const [name, note] of [...records]) {
      const facts = { name, from: note.file ?? note.text };
      const { kind = 'quirk' } = note;
      try {
        if (note.gone === true) {
          if (this.#configured.has(name)) plugins.unload(name);
          else records.delete(name);
          continue;
        }
        await plugins.replace(await this.#thingOf(name, note), note.options, note.file ?? 'quirk load');
        if (note.begun === true) records.merge(name, { begun: undefined });
        log.info(facts, `${kind} of an earlier process loaded`);
      } catch (error) {
        const why = describeError(error);
        const solve = isPcibackError(error) ? { solve: error.solve } : {};
        log.error({ ...facts, why, ...solve }, `${kind} of an earlier process not loaded`);
        // It may have been refused there too.
        if (note.begun === true) records.delete(name);
        else {
          const isFor = (identity: PciIdentity): boolean =>
            kind === 'plugin' ? note.registers === true : matches(likeness(name, note), identity);
          missing.push({ kind, name, why, isFor });
        }
      }
    }
    return missing;
  }

  /** Nothing that was refused is wanted any more. */
  forget(missing: readonly MissingQuirk[]): void {
    const { records, plugins } = this.#terms;
    const loaded = new Set(plugins.loaded.map(({ name }) => name));
    // It may have been loaded since.
    for (const { name } of missing) if (!loaded.has(name)) records.delete(name);
  }

  async #thingOf(name: string, note: QuirkRecord): Promise<Plugin | Quirk> {
    const { kind = 'quirk', file, text, match = [] } = note;
    if (file === undefined) return quirkOfText(parseQuirkText(text ?? ''), match);
    const things = await this.#terms.plugins.read(file, `${kind} load, of an earlier process`);
    const thing = things.find((one) => one.name === name);
    if (thing === undefined || thing.kind !== kind) throw new Error(`${file} has no ${kind} ${name} any more`);
    const only = addressesOf(note);
    return thing.kind === 'plugin' || only === undefined ? thing : { ...thing, only };
  }
}

const addressesOf = ({ only }: QuirkRecord): Bdf[] | undefined => only?.map(parseBdf);

/** A quirk for the same devices that says nothing about them. */
const likeness = (name: string, note: QuirkRecord): Quirk => {
  const quirk: Quirk = { kind: 'quirk', name, source: '', match: note.match ?? [], sets: [], surgery: [] };
  const only = addressesOf(note);
  return only === undefined ? quirk : { ...quirk, only };
};

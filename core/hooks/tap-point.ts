// SPDX-License-Identifier: MIT

import { AsyncSeriesBailHook, AsyncSeriesHook, SyncBailHook, SyncHook } from 'tapable';
import { type Bdf, formatBdf, hex } from '../bdf.ts';
import { describeError, fail, isPcibackError, type PcibackError, problem } from '../errors/index.ts';
import { nearest } from '../errors/nearest.ts';
import { type HookArguments, type HookName, type HookResults, hookTable } from './table.ts';

/** What a tap may return: hooks that are awaited take a promise. */
type TapResult<Name extends HookName> =
  // biome-ignore lint/suspicious/noConfusingVoidType: a tap that answers nothing need not say so
  void | HookResults[Name] | Promise<void | HookResults[Name]>;
export type Tap<Name extends HookName> = (...args: HookArguments[Name]) => TapResult<Name>;

/** Order among the taps of a hook, by the names of other taps' plugins. */
export interface TapOptions {
  /** Name of the tap; the plugin's name if missing. */
  readonly name?: string;
  readonly before?: string | readonly string[];
  readonly after?: string | readonly string[];
}

interface Entry<Name extends HookName> {
  readonly plugin: string;
  readonly name: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly tap: Tap<Name>;
}

const many = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

/** `bdf` and `offset` of the first argument that has them, for messages. */
const placeOf = (args: readonly unknown[]): { device: string; offset: string } => {
  for (const argument of args) {
    if (typeof argument !== 'object' || argument === null) continue;
    const facts = argument as { bdf?: Bdf; offset?: number; device?: { bdf?: Bdf } };
    const address = facts.bdf ?? facts.device?.bdf;
    if (address !== undefined) {
      return { device: formatBdf(address), offset: facts.offset === undefined ? '' : `0x${hex(facts.offset, 2)}` };
    }
  }
  return { device: '', offset: '' };
};

/**
 * One hook: its taps, in order, and the call.
 *
 * The calling is tapable's. It neither removes taps nor names a plugin in an error nor refuses a `before` that names
 * nobody, so the list and its order are kept here and tapable's hook is built anew from it whenever it changes.
 */
export class TapPoint<Name extends HookName> {
  readonly name: Name;
  readonly #entries: Entry<Name>[] = [];
  readonly #report: (error: PcibackError) => void;
  #call: ((args: HookArguments[Name]) => unknown) | undefined;

  /** @param report told about failing taps of an `observe` hook */
  constructor(name: Name, report: (error: PcibackError) => void) {
    this.name = name;
    this.#report = report;
  }

  /** Adds a tap; the result removes it. @throws PcibackError `HOOK_DUPLICATE` */
  tap(plugin: string, options: TapOptions, tap: Tap<Name>): () => void {
    const name = options.name ?? plugin;
    if (this.#entries.some((entry) => entry.name === name)) {
      fail('HOOK_DUPLICATE', { plugin, hook: this.name, tap: name });
    }
    const entry: Entry<Name> = { plugin, name, before: many(options.before), after: many(options.after), tap };
    this.#entries.push(entry);
    this.#call = undefined;
    return () => {
      const index = this.#entries.indexOf(entry);
      if (index >= 0) this.#entries.splice(index, 1);
      this.#call = undefined;
    };
  }

  /** Names of the taps, in the order of adding. */
  get taps(): string[] {
    return this.#entries.map((entry) => entry.name);
  }

  /** Checks that every `before` and `after` names a tap. @throws PcibackError `HOOK_ORDER` */
  check(): void {
    for (const entry of this.#entries) {
      for (const target of [...entry.before, ...entry.after]) {
        if (this.#entries.some((other) => other.name === target)) continue;
        const others = this.taps.filter((name) => name !== entry.name);
        fail('HOOK_ORDER', { plugin: entry.plugin, hook: this.name, target, nearest: nearest(target, others) });
      }
    }
  }

  /** Calls the taps as the hook's kind says. */
  call(...args: HookArguments[Name]): unknown {
    if (this.#entries.length === 0) return undefined;
    this.#call ??= this.#build();
    return this.#call(args);
  }

  #guarded(entry: Entry<Name>): (args: HookArguments[Name]) => unknown {
    const failed = (error: unknown, args: HookArguments[Name]): PcibackError =>
      isPcibackError(error, 'HOOK_FAILED')
        ? error
        : problem(
            'HOOK_FAILED',
            { plugin: entry.plugin, hook: this.name, ...placeOf(args), why: describeError(error) },
            error,
          );
    switch (hookTable[this.name].kind) {
      case 'observe':
        return (args) => {
          const told = (error: unknown) => this.#report(failed(error, args));
          try {
            const result: unknown = entry.tap(...args);
            if (result instanceof Promise) result.catch(told);
          } catch (error) {
            told(error);
          }
        };
      case 'syncBail':
        return (args) => {
          try {
            return entry.tap(...args);
          } catch (error) {
            throw failed(error, args);
          }
        };
      default:
        return async (args) => {
          try {
            return await entry.tap(...args);
          } catch (error) {
            throw failed(error, args);
          }
        };
    }
  }

  #build(): (args: HookArguments[Name]) => unknown {
    const ordered = this.#ordered();
    switch (hookTable[this.name].kind) {
      case 'observe': {
        const hook = new SyncHook<[HookArguments[Name]], void>(['args'], this.name);
        for (const entry of ordered) hook.tap(entry.name, this.#guarded(entry) as (args: HookArguments[Name]) => void);
        return (args) => hook.call(args);
      }
      case 'syncBail': {
        const hook = new SyncBailHook<[HookArguments[Name]], unknown>(['args'], this.name);
        for (const entry of ordered) hook.tap(entry.name, this.#guarded(entry));
        return (args) => hook.call(args);
      }
      case 'asyncSeries': {
        const hook = new AsyncSeriesHook<[HookArguments[Name]]>(['args'], this.name);
        for (const entry of ordered) {
          hook.tapPromise(entry.name, this.#guarded(entry) as (args: HookArguments[Name]) => Promise<void>);
        }
        return (args) => hook.promise(args);
      }
      case 'asyncBail': {
        const hook = new AsyncSeriesBailHook<[HookArguments[Name]], unknown>(['args'], this.name);
        for (const entry of ordered) {
          hook.tapPromise(entry.name, this.#guarded(entry) as (args: HookArguments[Name]) => Promise<unknown>);
        }
        return (args) => hook.promise(args);
      }
    }
  }

  /** A tap comes after those it names in `after` and those that name it in `before`; otherwise the order of adding. */
  #ordered(): Entry<Name>[] {
    const waiting = [...this.#entries];
    const placed: Entry<Name>[] = [];
    const mustPrecede = (one: Entry<Name>, other: Entry<Name>): boolean =>
      one !== other && (other.after.includes(one.name) || one.before.includes(other.name));
    while (waiting.length > 0) {
      const index = waiting.findIndex((entry) => !waiting.some((other) => mustPrecede(other, entry)));
      const next = waiting[index];
      if (next === undefined) {
        return fail('HOOK_ORDER', {
          plugin: waiting[0]?.plugin ?? '',
          hook: this.name,
          target: waiting.map((entry) => entry.name).join(', '),
          nearest: undefined,
        });
      }
      waiting.splice(index, 1);
      placed.push(next);
    }
    return placed;
  }
}

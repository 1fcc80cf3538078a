// SPDX-License-Identifier: MIT

import type { Records } from '../core/journal.ts';
import type { Plugin } from '../core/plugin/index.ts';
import type { Quirk } from '../core/quirk/quirk.ts';
import type { PartContext } from './kinds/part.ts';

/** Where a quirk or plugin comes from that is loaded while guests run: a name that the rc file could have, or a text. */
export type LoadSource = { readonly file: string; readonly options?: unknown } | { readonly text: string };

/** What is noted of quirks and plugins that come and go while guests run, so that a next process has the same ones. */
export interface LoadNotes {
  /** Notes it, then has it loaded by `work`; when that refuses, what was noted before is noted again. */
  loading<Result>(thing: Plugin | Quirk, from: LoadSource, work: () => Promise<Result>): Promise<Result>;
  /** Takes the note away, or notes that what the configuration has is not to be loaded; then `work` unloads it. */
  unloading<Result>(name: string, work: () => Result): Result;
}

/** Who switched something on: an operator, `permissive=1` of the guest's file, or the kernel module's attribute. */
export type SwitchSource = 'command' | 'xl' | 'kernel';

/** What was switched on at run time for one device. */
export interface SwitchRecord {
  readonly permissive?: SwitchSource | undefined;
  readonly allowInterruptControl?: SwitchSource | undefined;
  /** Domain that it is for; missing: the guest that gets the device next. */
  readonly guest?: number | undefined;
  /** The kernel module's `permissive` is what a guest's file asked for. It has no way to clear it. */
  readonly left?: true | undefined;
}

/** What the part `journal` offers, where a journal is kept. */
export interface JournalOffers {
  readonly folder: string;
  readonly quirks: LoadNotes;
  /** By address, as `formatBdf` writes it. */
  readonly switches: Records<SwitchRecord>;
}

/** Where no journal is kept, nothing is noted. */
const forgetful: LoadNotes = { loading: (_thing, _from, work) => work(), unloading: (_name, work) => work() };

/** Notes what this process loads and unloads, so that a next one does. */
export const notesOf = (context: Pick<PartContext, 'part'>): LoadNotes =>
  (context.part('journal') as JournalOffers | undefined)?.quirks ?? forgetful;

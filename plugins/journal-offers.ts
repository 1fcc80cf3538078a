// SPDX-License-Identifier: MIT

import type { Quirk } from '../core/quirk/quirk.ts';

/** Where a quirk comes from that is loaded while guests run: a file by its absolute path, or a text. */
export type QuirkSource = { readonly file: string } | { readonly text: string };

/** What is noted of quirks that come and go while guests run, so that a next process has the same ones. */
export interface QuirkNotes {
  /** Notes the quirk, then has it loaded by `work`; when that refuses, what was noted before is noted again. */
  loading<Result>(quirk: Quirk, from: QuirkSource, work: () => Promise<Result>): Promise<Result>;
  /** Takes the note away, or notes that a quirk of the configuration is not to be loaded; then `work` unloads it. */
  unloading<Result>(name: string, work: () => Result): Result;
}

/** What the part `journal` offers, where a journal is kept. */
export interface JournalOffers {
  readonly folder: string;
  readonly quirks: QuirkNotes;
}

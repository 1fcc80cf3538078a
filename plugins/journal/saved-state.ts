// SPDX-License-Identifier: MIT

import type { Journal } from '../../core/journal.ts';
import type { KeptMemory } from '../../core/platform/index.ts';
import {
  HOST_WORDS,
  nameOf,
  type SavedTable,
  stateArrays,
  stateBytes,
  type TableState,
} from '../../core/space/compile.ts';

const wordsOf = ({ layout }: SavedTable): number =>
  layout.reduce((most, [, first, words]) => Math.max(most, first + words), HOST_WORDS);

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array) => new Uint8Array(buffer, byteOffset, byteLength);

/** Bytes of memory that hold the state of a table. */
export const bytesOfTable = (table: SavedTable): number => stateBytes(wordsOf(table), table.size);

/** The state that an earlier process left; registers are the same by name, and when they have as many words. */
export const savedState = (
  table: SavedTable,
  journal: Pick<Journal, 'find'>,
): (TableState & { readonly kept: KeptMemory }) | undefined => {
  const kept = journal.find(table.at, bytesOfTable(table));
  if (kept === undefined) return undefined;
  const { words, own, shadow } = stateArrays(kept.memory, wordsOf(table), table.size);
  const known = new Map(table.layout.map(([name, first, length]) => [name, words.subarray(first, first + length)]));
  return {
    kept,
    own,
    shadow,
    host: words.subarray(0, HOST_WORDS),
    wordsOf: (one) => known.get(nameOf(one)),
    isOf: (layout, bits) =>
      JSON.stringify(layout) === JSON.stringify(table.layout) && Buffer.compare(bytesOf(bits), bytesOf(own)) === 0,
  };
};

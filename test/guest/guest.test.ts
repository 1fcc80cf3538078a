// SPDX-License-Identifier: MIT

import { describe, expect, it } from 'vitest';

interface Compare {
  compare(
    table: Uint8Array,
    seen: readonly number[],
    lists: object,
  ): { readonly explained: object; readonly unexplained: readonly string[] };
}
const { compare } = (await import('./compare.mjs' as string)) as Compare;

describe('config space of a guest beside the table', () => {
  const lists = { standard: [{ id: 0x05, offset: 0x50 }], extended: [] };
  const table = new Uint8Array(256);
  const seen = (changes: Readonly<Record<number, number>>): number[] =>
    [...table].map((byte, at) => changes[at] ?? byte);

  it('is equal, or different where nobody says why', () => {
    expect(compare(table, seen({}), lists)).toEqual({ explained: {}, unexplained: [] });
    expect(compare(table, seen({ 96: 1 }), lists).unexplained).toEqual(['0x60: table 00, guest 01']);
  });

  it('differs in what the client looks after, and in those bits alone', () => {
    expect(compare(table, seen({ 82: 1, 84: 0xfe }), lists)).toEqual({ explained: { MSI: 2 }, unexplained: [] });
    expect(compare(table, seen({ 14: 0x80 }), lists).unexplained).toEqual([]);
    expect(compare(table, seen({ 14: 0x81 }), lists).unexplained).toEqual(['0xe: table 00, guest 81']);
  });

  it('has a list of extended capabilities that goes round those the client keeps, to the next and nowhere else', () => {
    const extended = [
      { id: 0x18, offset: 0x40 },
      { id: 0x0e, offset: 0x60 },
      { id: 0x10, offset: 0x70 },
      { id: 0x01, offset: 0x80 },
    ];
    const withList = { standard: [], extended };
    expect(compare(table, seen({ 66: 0x00, 67: 0x08 }), withList).unexplained).toEqual([]);
    expect(compare(table, seen({ 67: 0x07 }), withList).unexplained).toEqual(['0x43: table 00, guest 07']);
    expect(compare(table, seen({ 67: 0x08 }), { standard: [], extended: extended.slice(3) }).unexplained).toHaveLength(
      1,
    );
  });
});

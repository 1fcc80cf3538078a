// SPDX-License-Identifier: MIT

import { crc32 } from './crc32.ts';

/** Raised when what is written here would mean something else to an older pciback. */
export const VERSION = 1;

/** Members by name; `null`: not known any more. */
export type Change = Readonly<Record<string, unknown>>;

/** One change of one record; `change` null: the record is there no more. */
export interface Entry {
  readonly kind: 'device' | 'guest' | 'quirk';
  readonly name: string;
  readonly change: Change | null;
}

interface Header {
  readonly journal: number;
  readonly boot: string;
}

/** What a journal says. */
export type Reading =
  /** `torn`: bytes of a last record that was never finished, and whose act was therefore never done. */
  | { readonly what: 'entries'; readonly entries: readonly Entry[]; readonly torn: number }
  | { readonly what: 'other boot' }
  | { readonly what: 'unusable'; readonly why: string };

/** Eight digits each: the length of the text in bytes, its complement, the checksum. */
const PREFIX_BYTES = 24;

const digits = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

/** A line of the journal: its length twice, so that a wrong one is not taken for a record that was cut off. */
const line = (value: unknown): Buffer => {
  const text = Buffer.from(JSON.stringify(value));
  return Buffer.concat([
    Buffer.from(digits(text.length) + digits(~text.length) + digits(crc32(text)), 'latin1'),
    text,
    Buffer.from('\n'),
  ]);
};

export const headerLine = (boot: string): Buffer => line({ journal: VERSION, boot } satisfies Header);

/** Members that are `undefined` are written as null: they replace what was known. */
export const entryLine = (entry: Entry): Buffer =>
  line({
    ...entry,
    change: entry.change && Object.fromEntries(Object.entries(entry.change).map(([key, one]) => [key, one ?? null])),
  });

/** @returns the values of all whole lines, and how many bytes are left of one that is not; `undefined`: damaged */
const linesOf = (bytes: Buffer): { readonly values: unknown[]; readonly torn: number } | undefined => {
  const values: unknown[] = [];
  let at = 0;
  while (at < bytes.length) {
    const left = bytes.length - at;
    if (left < PREFIX_BYTES) return { values, torn: left };
    const prefix = bytes.toString('latin1', at, at + PREFIX_BYTES);
    if (!/^[0-9a-f]{24}$/.test(prefix)) return undefined;
    const [length = 0, complement = 0, crc = 0] = [0, 8, 16].map((from) =>
      Number.parseInt(prefix.slice(from, from + 8), 16),
    );
    if (~length >>> 0 !== complement) return undefined;
    if (left < PREFIX_BYTES + length + 1) return { values, torn: left };
    const text = bytes.subarray(at + PREFIX_BYTES, at + PREFIX_BYTES + length);
    at += PREFIX_BYTES + length + 1;
    if (crc32(text) !== crc || bytes[at - 1] !== 0x0a) return undefined;
    values.push(JSON.parse(text.toString()));
  }
  return { values, torn: 0 };
};

/** Reads a whole journal of this or another version. */
export const readJournal = (bytes: Buffer, boot: string): Reading => {
  const found = linesOf(bytes);
  if (found === undefined) return { what: 'unusable', why: 'it is damaged' };
  const [header, ...entries] = found.values as [Header | undefined, ...Entry[]];
  if (header === undefined) return { what: 'unusable', why: 'it has no beginning' };
  if (header.boot !== boot) return { what: 'other boot' };
  if (header.journal !== VERSION) {
    return { what: 'unusable', why: `it has version ${header.journal}, and this pciback reads version ${VERSION}` };
  }
  return { what: 'entries', entries, torn: found.torn };
};

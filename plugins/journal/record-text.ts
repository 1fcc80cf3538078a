// SPDX-License-Identifier: MIT

import { crc32 } from './crc32.ts';

/** Raised when what is written here would mean something else to an older pciback. */
export const VERSION = 1;

/** Members by name; `null`: not known any more. */
export type Change = Readonly<Record<string, unknown>>;

/** One change of one record; `change` null: the record is there no more. */
export interface Entry {
  readonly kind: 'device' | 'guest' | 'quirk' | 'switch' | 'lost';
  readonly name: string;
  readonly change: Change | null;
}

/** Why a guest cannot be continued, by the back end's directory. */
export interface LostRecord {
  readonly why: string;
}

/** Stands for every guest that nobody serves. */
export const EVERYTHING = '*';

interface Header {
  readonly journal: number;
  readonly boot: string;
}

/** What a journal says. */
export type Reading =
  /** `torn`: bytes of a last record that was never finished, and whose act was therefore never done. */
  | { readonly what: 'entries'; readonly entries: readonly Entry[]; readonly torn: number }
  | { readonly what: 'other boot' }
  /** `entries`: of the lines that are whole. Others are missing, so nothing can be continued by them. */
  | { readonly what: 'unusable'; readonly why: string; readonly entries: readonly Entry[] };

/** Eight digits each: the length of the text in bytes, its complement, the checksum. */
const PREFIX_BYTES = 24;
const LINE_BREAK = 0x0a;

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
    if (crc32(text) !== crc || bytes[at - 1] !== LINE_BREAK) return undefined;
    values.push(JSON.parse(text.toString()));
  }
  return { values, torn: 0 };
};

/** The values of the lines that are whole: a text has no line break in it. */
const intactLines = (bytes: Buffer): unknown[] => {
  const values: unknown[] = [];
  for (let at = 0, end = bytes.indexOf(LINE_BREAK); end >= 0; at = end + 1, end = bytes.indexOf(LINE_BREAK, at)) {
    values.push(...(linesOf(bytes.subarray(at, end + 1))?.values ?? []));
  }
  return values;
};

const isHeader = (value: unknown): value is Header => typeof value === 'object' && value !== null && 'journal' in value;

/** What is the same in all versions: whether a device or a guest was there. */
const anyVersion = (entries: readonly Entry[]): Entry[] =>
  entries
    .filter(({ kind, name }) => (kind === 'device' || kind === 'guest') && typeof name === 'string')
    .map(({ kind, name, change }) => ({ kind, name, change: change && {} }));

/** Reads a whole journal of this or another version. */
export const readJournal = (bytes: Buffer, boot: string): Reading => {
  const found = linesOf(bytes);
  const values = found?.values ?? intactLines(bytes);
  const header = isHeader(values[0]) ? values[0] : undefined;
  const entries = (header === undefined ? values : values.slice(1)) as Entry[];
  if (header !== undefined && header.boot !== boot) return { what: 'other boot' };
  const unusable = (why: string): Reading => ({
    what: 'unusable',
    why,
    entries: header?.journal === VERSION ? entries : anyVersion(entries),
  });
  if (found === undefined) return unusable('it is damaged');
  if (header === undefined) return unusable('it has no beginning');
  if (header.journal !== VERSION)
    return unusable(`it has version ${header.journal}, and this pciback reads version ${VERSION}`);
  return { what: 'entries', entries, torn: found.torn };
};

// SPDX-License-Identifier: MIT

/** One line of a hex dump as `xxd`, `hexdump` or `od -A x -t x1` print it; `repeat`: the row before goes on to the next one. */
export type HexLine =
  | { readonly kind: 'row'; readonly offset: number; readonly bytes: readonly number[] }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'end'; readonly offset: number }
  | { readonly kind: 'damaged' };

/** `00000010: 0000 d0f7 …  ....`: bytes in their order, in groups of any size. */
const XXD = /^([0-9a-f]{6,16}):((?: [0-9a-f]+)+)(?: {2}.*)?\s*$/i;
/** `00000010  00 00 d0 f7 …  |....|`, also without the text. */
const BYTES = /^([0-9a-f]{6,16})((?: {1,2}[0-9a-f]{2})+)(?: {2,}\|.*\|?)?\s*$/i;
/** `0000010 0000 f7d0 …`: 16-bit words of a little-endian machine. */
const WORDS = /^([0-9a-f]{7})((?: [0-9a-f]{4})+)\s*$/i;
const END = /^([0-9a-f]{6,16})\s*$/i;
const START = /^[0-9a-f]{6,16}(?::| )/i;

const pairs = (digits: string): number[] => (digits.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
const groupsOf = (text: string): string[] => text.trim().split(/\s+/);

/** What a line is, if it is one of a hex dump. */
export const hexLine = (content: string): HexLine | undefined => {
  if (content.trim() === '*') return { kind: 'repeat' };
  const end = END.exec(content);
  if (end) return { kind: 'end', offset: Number.parseInt(end[1] ?? '', 16) };
  const words = WORDS.exec(content);
  const found = words ?? XXD.exec(content) ?? BYTES.exec(content);
  if (!found) return START.test(content) ? { kind: 'damaged' } : undefined;
  const groups = groupsOf(found[2] ?? '');
  if (groups.some((group) => group.length % 2 !== 0)) return { kind: 'damaged' };
  const bytes = groups.flatMap((group) => (words ? pairs(group).reverse() : pairs(group)));
  return { kind: 'row', offset: Number.parseInt(found[1] ?? '', 16), bytes };
};

const NAMED = /(?:([0-9a-f]{4,8})[:_-])?([0-9a-f]{2})[:_-]([0-9a-f]{2})[._]([0-7])(?![0-9a-f])/i;

/** The address in the name of a file; 00:00.0 where there is none, for a hex dump itself has no address. */
export const addressInName = (file: string): string => {
  const found = NAMED.exec(file);
  return found ? `${found[1] ?? '0000'}:${found[2]}:${found[3]}.${found[4]}` : '0000:00:00.0';
};

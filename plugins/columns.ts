// SPDX-License-Identifier: MIT

/** Columns of a terminal for which tables are made. */
export const WIDTH = 80;
/** Least width of a column that is folded. */
const LEAST = 20;

/** Names come from the store and from files: what a terminal would obey is shown as a dot. */
const CONTROL = /\p{Cc}/gu;
export const printable = (text: string): string => text.replaceAll(CONTROL, '·');

/** A text that is longer, without its end. */
export const cut = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

/** A text on lines of so many characters, broken between words; a word that is longer stays whole. */
export const folded = (text: string, width: number): string[] => {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
};

/**
 * Columns as wide as their widest cell; the last one is not padded, and folded where rows would be longer than the width.
 *
 * @param width less than that of a terminal where something is put before each row
 */
export const columns = (rows: readonly (readonly string[])[], width = WIDTH): string[] => {
  const clean = rows.map((row) => row.map(printable));
  const widths = (clean[0] ?? []).map((_cell, index) => Math.max(...clean.map((row) => row[index]?.length ?? 0)));
  const indent = widths.slice(0, -1).reduce((all, one) => all + one + 2, 0);
  return clean.flatMap((row) => {
    const before = row.slice(0, -1).map((cell, index) => `${cell.padEnd(widths[index] ?? 0)}  `);
    const [first = '', ...more] = folded(row.at(-1) ?? '', Math.max(LEAST, width - indent));
    return [`${before.join('')}${first}`, ...more.map((line) => `${' '.repeat(indent)}${line}`)];
  });
};

// SPDX-License-Identifier: MIT

const hexOf = (value: number): string => value.toString(16).padStart(2, '0');

/** Config space of `size` bytes with these values, `[offset, bytes, value]`. */
export const registers = (size: number, values: readonly (readonly [number, 1 | 2 | 4, number])[]): Uint8Array => {
  const bytes = new Uint8Array(size);
  for (const [offset, width, value] of values)
    for (let i = 0; i < width; i += 1) bytes[offset + i] = (value >>> (8 * i)) & 0xff;
  return bytes;
};

/** Rows as `lspci -x` prints them. */
export const rowsOf = (config: Uint8Array): string[] =>
  Array.from({ length: config.length / 16 }, (_, row) => {
    const bytes = [...config.subarray(16 * row, 16 * row + 16)].map(hexOf);
    return `${hexOf(16 * row)}: ${bytes.join(' ')}`;
  });

/** One function of a dump: its head line, what a verbose dump tells, its rows. */
export const dumpText = (head: string, config: Uint8Array, told: readonly string[] = []): string =>
  [head, ...told, ...rowsOf(config), '', ''].join('\n');

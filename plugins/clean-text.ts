// SPDX-License-Identifier: MIT

/**
 * Control characters but line feed and tab, those that change the direction of writing, and halves of characters. Whoever
 * prints them steers the terminal of who reads them.
 */
const UNFIT = /(?![\t\n])[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu;
/** Weights and colours of letters, as this program writes them; none of these hides any. */
const STYLE = '(?:[0-4]|2[1-4]|[349]\\d)';
/** The same as {@link UNFIT}, but styles. */
const UNFIT_IN_OUTPUT = new RegExp(`\\x1b\\[${STYLE}(?:;${STYLE})*m|${UNFIT.source}`, 'gu');

const escaped = (one: string): string => {
  const code = one.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
};

/** A text as it may be shown in a terminal: what would steer it is written as `\x1b`. */
export const cleanText = (text: string): string => text.replace(UNFIT, escaped);

/** The same for what commands print, who may use colours. */
export const cleanOutput = (text: string): string =>
  text.replace(UNFIT_IN_OUTPUT, (found) => (found.length > 2 ? found : escaped(found)));

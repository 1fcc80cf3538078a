// SPDX-License-Identifier: MIT

/** Names of a behaviour's state words: each name is the index of its word, `words` is how many there are. */
export type State<Name extends string> = { readonly words: number } & {
  readonly [Each in Exclude<Name, 'words'>]: number;
};

/**
 * Gives names to the state words of a behaviour, one word of 32 bits each. Made once, where the behaviour is declared: an
 * access reads `at.words[state.sizing]`.
 *
 * ```ts
 * const state = stateOf('address', 'sizing');
 * const bar: Behaviour = { words: state.words, read: (at) => (at.words[state.sizing] === 0 ? … : …) };
 * ```
 *
 * Several registers use the same words when each of them says `shared: state` instead of `words: state.words`.
 */
export const stateOf = <const Name extends string>(...names: readonly Name[]): State<Name> => {
  const indexes = Object.fromEntries(names.map((name, index) => [name, index]));
  return { ...indexes, words: names.length } as State<Name>;
};

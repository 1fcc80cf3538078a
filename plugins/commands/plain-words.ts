// SPDX-License-Identifier: MIT

import type { CommandContext, CommandDefinition, CommandOption } from '../../core/plugin/index.ts';

type Options = Record<string, CommandContext['options'][string]>;

/** `--log-level <level>`, `--json`; no short letter, no `--no-`, no list: those are the parser's. */
const PLAIN = /^--(?!no-)([a-z]+(?:-[a-z]+)*)( <[a-z]+>)?$/;

const keyOf = (name: string): string => name.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase());

/** The options as they are when the command line has none; `undefined` when one of them is not plain. */
const usual = (options: readonly CommandOption[]): Options | undefined => {
  const values: Options = {};
  for (const { flags, default: value } of options) {
    const [, name] = PLAIN.exec(flags) ?? [];
    if (name === undefined) return undefined;
    if (value !== undefined) values[keyOf(name)] = value;
  }
  return values;
};

/**
 * What plain words after the name of a command say: known long options, each value in a word of its own. A service is
 * started with such words, and loading the parser takes longer than the rest of the command line.
 *
 * It only says yes. Everything else, every mistake and every question for help, is the parser's.
 *
 * @returns the same options as the parser; `undefined`: ask the parser
 */
export const plainOptions = (definition: CommandDefinition, words: readonly string[]): Options | undefined => {
  const { options: known = [] } = definition;
  const values = (definition.arguments ?? []).length === 0 ? usual(known) : undefined;
  if (values === undefined) return undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at];
    const option = known.find(({ flags }) => flags.split(' ', 1)[0] === word);
    const [, name, takesValue] = PLAIN.exec(option?.flags ?? '') ?? [];
    if (option === undefined || name === undefined) return undefined;
    if (takesValue === undefined) {
      values[keyOf(name)] = true;
      continue;
    }
    at += 1;
    const value = words[at];
    if (value === undefined || value === '' || value.startsWith('-')) return undefined;
    if (option.choices !== undefined && !option.choices.includes(value)) return undefined;
    values[keyOf(name)] = value;
  }
  return values;
};

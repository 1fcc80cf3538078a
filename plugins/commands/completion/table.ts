// SPDX-License-Identifier: MIT

import type { Registries } from '../../../core/plugin/index.ts';
import type { CommandArgument, CommandDefinition, CommandOption } from '../../kinds/command.ts';

/** What completes a value: words to choose from, or what the shell or the host has. `none`: only its writer knows. */
export type Value = readonly string[] | 'files' | 'folders' | 'devices' | 'none';

/** One option of a command. */
export interface CompletedOption {
  /** With their dashes: `--output`, `-o`. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Missing: it takes no value. */
  readonly value?: Value;
}

/** One argument of a command. */
export interface CompletedArgument {
  /** Without its brackets. */
  readonly name: string;
  readonly value: Value;
  /** It stands for any number of words. */
  readonly repeats: boolean;
}

/** One command, as a shell completes it. */
export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  readonly arguments: readonly CompletedArgument[];
}

/** By what stands in the brackets of an option or argument. */
const byName: Readonly<Record<string, Value>> = {
  file: 'files',
  path: 'files',
  dump: 'files',
  script: 'files',
  what: 'files',
  directory: 'folders',
  bdf: 'devices',
};

/** Options that choose one of the things that plugins bring. */
const chosen = ({ platforms, slots, interrupts, natives, guestSystems }: Registries) =>
  new Map([
    ['--platform', platforms.names],
    ['--slots', slots.names],
    ['--interrupts', interrupts.names],
    ['--native', natives.names],
    ['--guest', guestSystems.names],
  ]);

/** `bdf` of `<bdf...>`, and whether it repeats. */
const bracket = (text: string): { readonly name: string; readonly repeats: boolean } | undefined => {
  const found = /[<[]([^\]>.]+)(\.\.\.)?[\]>]/.exec(text);
  return found === null ? undefined : { name: found[1] ?? '', repeats: found[2] !== undefined };
};

const HELP: CompletedOption = { flags: ['--help'], description: 'show help' };

/** Every command that is loaded, in the order of `pciback --help`. */
export const completionTable = (registries: Registries): readonly CompletedCommand[] => {
  const choices = chosen(registries);
  const option = ({ flags, description, choices: words }: CommandOption): CompletedOption => {
    const names = [...flags.matchAll(/(?:^|[\s,])(--?[\w-]+)/g)].map(([, name = '']) => name);
    const value = bracket(flags);
    if (value === undefined) return { flags: names, description };
    const things = names.map((name) => choices.get(name)).find((found) => found !== undefined);
    return { flags: names, description, value: words ?? things ?? byName[value.name] ?? 'none' };
  };
  const argument = ({ name, words }: CommandArgument): CompletedArgument => {
    const { name: bare, repeats } = bracket(name) ?? { name, repeats: false };
    return { name: bare, value: words ?? byName[bare] ?? 'none', repeats };
  };
  const command = ({ name, summary, options = [], arguments: words = [] }: CommandDefinition): CompletedCommand => ({
    name,
    summary,
    options: [...options.map(option), HELP],
    arguments: words.map(argument),
  });
  return registries.commands.things.map(command);
};

// SPDX-License-Identifier: MIT

import { Argument, Command, type CommanderError, Option } from 'commander';
import { nearest } from '../../core/errors/nearest.ts';
import { fail } from '../errors.ts';
import type { CommandDefinition } from '../kinds/command.ts';
import { ownPackage } from '../package-folder.ts';
import { openSession } from './setup.ts';
import type { Terminal } from './terminal.ts';

const quoted = (message: string): string => /'([^']*)'/.exec(message)?.[1] ?? '';

/** Names that may have been meant on the command line of this command. */
const wordsOf = (command: Command): { options: string[]; commands: string[] } => ({
  options: [...command.options.flatMap((option) => [option.long ?? '', option.short ?? '']), '--help'].filter(
    (flag) => flag !== '',
  ),
  commands: command.commands.map((one) => one.name()),
});

/** What the option that a complaint names may be. */
const choicesOf = (command: Command, message: string): readonly string[] =>
  command.options.find(({ flags }) => message.includes(`'${flags}'`))?.argChoices ?? [];

/** The parser's complaint as an error of the catalogue. */
const usage = (error: CommanderError, command: Command): never => {
  const what = error.message.replace(/^error: /, '').replace(/\.$/, '');
  const { options, commands } = wordsOf(command);
  const wrong = quoted(error.message);
  switch (error.code) {
    case 'commander.unknownOption':
      return fail('USAGE', { what, nearest: nearest(wrong.replace(/=.*$/, ''), options) });
    case 'commander.unknownCommand':
      return fail('USAGE', { what, nearest: nearest(wrong, commands) });
    case 'commander.invalidArgument': {
      const given = /argument '([^']*)' is invalid/.exec(error.message)?.[1] ?? '';
      return fail('USAGE', { what, nearest: nearest(given, choicesOf(command, error.message)) });
    }
    default:
      return fail('USAGE', { what, nearest: undefined });
  }
};

/** Ends the parsing without ending the process: help or version was written, nothing is left to run. */
class Answered extends Error {}

const takeOver = (command: Command, terminal: Terminal): void => {
  command
    .configureOutput({
      writeOut: (text) => terminal.write(text),
      // Complaints are reported as errors of the catalogue instead.
      writeErr: () => {},
      getOutHelpWidth: () => 100,
    })
    .showSuggestionAfterError(false)
    .exitOverride((error) => {
      if (error.exitCode === 0) throw new Answered();
      usage(error, command);
    });
};

const addDefinition = (
  program: Command,
  definition: CommandDefinition,
  terminal: Terminal,
  finish: (status: number) => void,
): void => {
  const command = program.command(definition.name).description(definition.summary);
  for (const { name, description } of definition.arguments ?? []) {
    command.addArgument(new Argument(name, description));
  }
  for (const option of definition.options ?? []) {
    const made = new Option(option.flags, option.description);
    if (option.choices !== undefined) made.choices(option.choices);
    if (option.default !== undefined) made.default(option.default);
    command.addOption(made);
  }
  if (definition.details !== undefined) command.addHelpText('after', `\n${definition.details}`);
  takeOver(command, terminal);
  command.helpOption('-h, --help', 'show help');
  command.action(async () => {
    const session = openSession(terminal, command.opts(), command.args);
    try {
      finish(await definition.run(session.context));
    } finally {
      await session.close();
    }
  });
};

/** Commands to choose from, and what is said below them. */
export interface CommandChoice {
  readonly definitions: readonly CommandDefinition[];
  /** One line below the help. */
  readonly note?: string;
}

/**
 * Parses a command line of these commands and runs the one it names.
 *
 * @returns the exit status
 * @throws PcibackError `USAGE` with the nearest word, and what the command throws
 */
export const parse = async (
  argv: readonly string[],
  { definitions, note }: CommandChoice,
  terminal: Terminal,
): Promise<number> => {
  let status = 0;
  const program = new Command('pciback')
    .description('The host side of Xen PCI pass-through, in user space.')
    .usage('<command> [options]')
    .version(ownPackage().version, '--version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', `\n\`pciback <command> --help\` tells more.${note === undefined ? '' : `\n${note}`}`);
  takeOver(program, terminal);
  for (const definition of definitions) {
    addDefinition(program, definition, terminal, (result) => {
      status = result;
    });
  }
  try {
    if (argv.length === 0) {
      terminal.complain(program.helpInformation());
      return 2;
    }
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof Answered) return 0;
    throw error;
  }
  return status;
};

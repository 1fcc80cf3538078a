// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Argument, Command, type CommanderError, Option } from 'commander';
import { fail } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import type { CommandDefinition } from '../../core/plugin/index.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { nearest } from '../../core/plugin/nearest.ts';
import { type Asker, loadAllByName } from '../../core/plugin/resolve.ts';
import { bundled } from '../bundled.ts';

/** What a command line runs in; the process itself, or a test. */
export interface Terminal {
  /** Writes to standard output. */
  write(text: string): void;
  /** Writes to standard error. */
  complain(text: string): void;
  /** Resolves on the first SIGTERM or SIGINT. Signals are caught from the first call on. */
  stop(): Promise<NodeJS.Signals>;
  readonly log: Logger;
}

/** Version of the package. */
const readVersion = (): string => {
  for (let at = import.meta.dirname; dirname(at) !== at; at = dirname(at)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Record<string, string>;
      if (name === 'pciback' && version !== undefined) return version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('the package.json of pciback is not above its own files');
};

/** The bundled command of that name, or all of them when there is none. */
const bundledCommands = async (first: string, log: Logger): Promise<CommandDefinition[]> => {
  const asker: Asker = { asked: 'bundled', directory: '/', bundled };
  const all = Object.keys(bundled).filter((name) => name.startsWith('commands/'));
  const asked = all.filter((name) => name === `commands/${first}`);
  const host = new PluginHost({ log });
  const names = asked.length > 0 ? asked : all;
  await loadAllByName(
    host,
    names.map((name) => ({ name, options: undefined, asker })),
  );
  return host.registries.commands.things;
};

/** The value of `--config`, before there is a command that could parse it. */
const configOf = (argv: readonly string[]): string | undefined => {
  const joined = argv.find((word) => word.startsWith('--config='));
  const index = argv.indexOf('--config');
  return joined?.slice('--config='.length) ?? (index < 0 ? undefined : argv[index + 1]);
};

/** All commands, those of the rc file's plugins too. */
const everyCommand = async (argv: readonly string[], log: Logger): Promise<CommandDefinition[]> => {
  const { configure, loadPlugins } = await import('./setup.ts');
  const config = configOf(argv);
  const host = await loadPlugins(await configure(config === undefined ? {} : { config }), log);
  return host.registries.commands.things;
};

const quoted = (message: string): string => /'([^']*)'/.exec(message)?.[1] ?? '';

/** Names that may have been meant on the command line of this command. */
const wordsOf = (command: Command): { options: string[]; commands: string[] } => ({
  options: [...command.options.flatMap((option) => [option.long ?? '', option.short ?? '']), '--help'].filter(
    (flag) => flag !== '',
  ),
  commands: command.commands.map((one) => one.name()),
});

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
  command.action(async () => {
    finish(
      await definition.run({
        options: command.opts(),
        arguments: command.args,
        print: (text) => terminal.write(`${text}\n`),
        get stop() {
          return terminal.stop();
        },
        log: terminal.log,
      }),
    );
  });
};

/**
 * Parses a command line and runs the command it names.
 *
 * @param argv without the program's own name
 * @returns the exit status
 * @throws PcibackError `USAGE` with the nearest word, and what the command throws
 */
export const runCommandLine = async (argv: readonly string[], terminal: Terminal): Promise<number> => {
  const [first = '--help'] = argv;
  const own = await bundledCommands(first, terminal.log);
  const isOwn = first.startsWith('-') || first === 'help' || own.some((definition) => definition.name === first);
  const definitions = isOwn ? own : await everyCommand(argv, terminal.log);

  let status = 0;
  const program = new Command('pciback')
    .description('The host side of Xen PCI pass-through, in user space.')
    .usage('<command> [options]')
    .version(readVersion(), '--version', 'show the version')
    .helpOption('--help', 'show help')
    .addHelpText('after', '\nPlugins of the rc file can bring more commands. `pciback <command> --help` tells more.');
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

// SPDX-License-Identifier: MIT

import { describeError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { bundled } from '../bundled.ts';
import type { CommandDefinition } from '../kinds/command.ts';
import { kinds } from '../kinds/kinds.ts';
import { type Asker, type BundledPlugin, findAll, loadFound } from '../program/resolve.ts';
import type { CommandChoice } from './parser.ts';
import type { Terminal } from './terminal.ts';

/** The bundled command of that name, or all of them when there is none. */
const bundledCommands = async (first: string, log: Logger): Promise<CommandDefinition[]> => {
  const asker: Asker = { asked: 'bundled', directory: '/', bundled };
  const all = Object.entries<BundledPlugin>(bundled).filter(([, { command }]) => command !== undefined);
  const asked = all.filter(([, { command }]) => [command].flat().includes(first));
  const host = new PluginHost({ kinds, log });
  const names = (asked.length > 0 ? asked : all).map(([name]) => name);
  await loadFound(host, await findAll(names.map((name) => ({ name, options: undefined, asker }))));
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
  const [{ configure }, { loadPlugins }] = await Promise.all([import('./setup.ts'), import('../program/start.ts')]);
  const config = configOf(argv);
  const host = await loadPlugins(await configure(config === undefined ? {} : { config }), log);
  return host.registries.commands.things;
};

/** For the help: an rc file or plugin that is refused must not keep anybody from reading it. */
const whatThereIs = async (
  argv: readonly string[],
  own: readonly CommandDefinition[],
  log: Logger,
): Promise<CommandChoice> => {
  try {
    return { definitions: await everyCommand(argv, log) };
  } catch (error) {
    return { definitions: own, note: `Commands of plugins are not shown: ${describeError(error).split('\n')[0]}` };
  }
};

const HELP: readonly string[] = ['help', '--help', '-h'];

/**
 * Parses a command line and runs the command it names.
 *
 * @param given without the program's own name
 * @returns the exit status
 * @throws PcibackError `USAGE` with the nearest word, and what the command throws
 */
export const runCommandLine = async (given: readonly string[], terminal: Terminal): Promise<number> => {
  // `help help`: what there is about help is the help.
  const argv = given[0] === 'help' && HELP.includes(given[1] ?? '') ? ['--help'] : given;
  const [first = '--help'] = argv;
  const own = await bundledCommands(first, terminal.log);
  const { parse } = await import('./parser.ts');
  if (HELP.includes(first)) return parse(argv, await whatThereIs(argv, own, terminal.log), terminal);
  const isOwn = first.startsWith('-') || own.some((definition) => definition.name === first);
  return parse(argv, { definitions: isOwn ? own : await everyCommand(argv, terminal.log) }, terminal);
};

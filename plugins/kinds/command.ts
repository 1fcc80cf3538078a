// SPDX-License-Identifier: MIT

import type { Logger } from '../../core/log.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { LoadedConfig } from './config.ts';
import type { OperationTypes } from './part.ts';

/** One option of a command. */
export interface CommandOption {
  /** As shown in help: `--slots <mapper>`, `--json`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string;
  readonly choices?: readonly string[];
}

export interface CommandArgument {
  /** `<bdf>` required, `[dump]` optional, `[dump...]` any number. */
  readonly name: string;
  readonly description: string;
  /** Words that it may be, for shells that complete them; the command itself refuses others. */
  readonly words?: readonly string[];
}

/** Asks the pciback that runs on this host. `Operations`: those that the caller knows, see `OperationsOf`. */
export interface ControlClient<Operations = OperationTypes> {
  /**
   * Asks, if a pciback listens at the socket.
   *
   * @returns `undefined` when there is none
   * @throws PcibackError what the operation is refused for; `CONTROL_UNREACHABLE` when the socket cannot be used
   */
  ask<Name extends keyof Operations & string>(
    operation: Name,
    args: AsksOf<Operations, Name>,
  ): Promise<AnswersOf<Operations, Name> | undefined>;
  /** As {@link ask}, and refuses when no pciback runs. @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE` */
  require<Name extends keyof Operations & string>(
    operation: Name,
    args: AsksOf<Operations, Name>,
  ): Promise<AnswersOf<Operations, Name>>;
}

type AsksOf<Operations, Name extends keyof Operations> = Operations[Name] extends { readonly asks: infer Asks }
  ? Asks
  : never;
type AnswersOf<Operations, Name extends keyof Operations> = Operations[Name] extends { readonly answers: infer Answers }
  ? Answers
  : never;

/** Where a command writes, what it was given, and what it can look at. */
export interface CommandContext {
  /** By name, in camelCase: `--log-level` is `logLevel`. */
  readonly options: Readonly<Record<string, string | boolean | string[] | undefined>>;
  /** The words that are no options. */
  readonly arguments: readonly string[];
  /** Writes to standard output. */
  print(text: string): void;
  /** Writes to standard output as it is, for what steers a terminal: no text from outside may be in it that was not cleaned. */
  draw(text: string): void;
  /** Resolves with the name on SIGTERM or SIGINT; a second signal ends the process at once. */
  readonly stop: Promise<string>;
  /** Writes to standard error. */
  readonly log: Logger;
  /**
   * The configuration in force: the rc file, and over it the command's own options `--config`, `--platform`,
   * `--native`, `--fields`, `--slots`, `--interrupts`, `--control` and `--log-level`. Read once.
   *
   * @throws PcibackError `CONFIG_UNREADABLE`, `CONFIG_INVALID`, `CONFIG_UNTRUSTED`
   */
  config(): Promise<LoadedConfig>;
  /**
   * The plugins of that configuration, loaded once; unloaded when the command has ended.
   *
   * @throws PcibackError as `config`, and what resolving and loading throw
   */
  plugins(): Promise<PluginHost>;
  /** A client of the control socket of that configuration. @throws PcibackError as `config` */
  control<Operations = OperationTypes>(): Promise<ControlClient<Operations>>;
}

/** A command of the command line. Plugins bring them; main turns them into the parser's own. */
export interface CommandDefinition {
  /** The word after `pciback`; unique. */
  readonly name: string;
  /** Half a sentence for `pciback --help`. */
  readonly summary: string;
  /** Paragraphs shown below the options in `--help`. */
  readonly details?: string;
  /** In their order. */
  readonly arguments?: readonly CommandArgument[];
  /** `--help` is there without being said. */
  readonly options?: readonly CommandOption[];
  /** Does its work. @returns the exit status. Errors of the catalogue are printed with their next step and end with 1. */
  run(context: CommandContext): Promise<number>;
}

/** The options of a command that asks a running pciback. */
export const controlOptions: readonly CommandOption[] = [
  { flags: '--config <file>', description: 'the rc file, instead of searching for one' },
  { flags: '--control <path>', description: 'socket of the running pciback, instead of the rc file’s' },
  { flags: '--json', description: 'print one JSON document' },
];

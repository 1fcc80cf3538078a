// SPDX-License-Identifier: MIT

import type { Logger } from '../log.ts';

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
}

/** Where a command writes and what it was given. */
export interface CommandContext {
  readonly options: Readonly<Record<string, string | boolean | string[] | undefined>>;
  readonly arguments: readonly string[];
  /** Writes to standard output. */
  print(text: string): void;
  /** Resolves on SIGTERM or SIGINT; a second signal ends the process at once. */
  readonly stop: Promise<NodeJS.Signals>;
  readonly log: Logger;
}

/** A command of the command line. Plugins bring them; main turns them into the parser's own. */
export interface CommandDefinition {
  readonly name: string;
  readonly summary: string;
  /** Paragraphs shown below the options in `--help`. */
  readonly details?: string;
  readonly arguments?: readonly CommandArgument[];
  readonly options?: readonly CommandOption[];
  /** @returns the exit status. Errors of the catalogue are printed with their next step and end with 1. */
  run(context: CommandContext): Promise<number>;
}

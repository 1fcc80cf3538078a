// SPDX-License-Identifier: MIT

import type { Logger } from '../../core/log.ts';
import type { CommandContext } from '../../core/plugin/index.ts';

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

/** What a command is run with. */
export const contextOf = (
  terminal: Terminal,
  options: CommandContext['options'],
  words: readonly string[],
): CommandContext => ({
  options,
  arguments: words,
  print: (text) => terminal.write(`${text}\n`),
  // Signals are caught only for a command that asks for them.
  get stop() {
    return terminal.stop();
  },
  log: terminal.log,
});

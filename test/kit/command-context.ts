// SPDX-License-Identifier: MIT

import { silent } from '../../core/log.ts';
import { openSession } from '../../plugins/commands/setup.ts';
import type { CommandContext } from '../../plugins/kinds/command.ts';

/** The context that a command of the command line gets, and what it prints, a line each. */
export const commandContext = (
  options: CommandContext['options'] = {},
  words: readonly string[] = [],
): { readonly context: CommandContext; readonly printed: string[]; close(): Promise<void> } => {
  const printed: string[] = [];
  const terminal = {
    write: (text: string) => printed.push(...text.replace(/\n$/, '').split('\n')),
    complain: () => undefined,
    stop: () => new Promise<never>(() => undefined),
    log: silent,
  };
  return { ...openSession(terminal, options, words), printed };
};

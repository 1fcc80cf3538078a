// SPDX-License-Identifier: MIT

import { nearest } from '../../../core/errors/nearest.ts';
import type { Registries } from '../../../core/plugin/index.ts';
import { fail } from '../../errors.ts';
import type { CommandContext } from '../../kinds/command.ts';
import { bash } from './bash.ts';
import { fish } from './fish.ts';
import { completionTable } from './table.ts';
import { zsh } from './zsh.ts';

const shells = { bash, zsh, fish } as const;

/** What that shell reads to complete the commands that are loaded; ends with a line feed. */
export const completionText = (shell: keyof typeof shells, registries: Registries): string =>
  shells[shell](completionTable(registries));

const isShell = (name: string): name is keyof typeof shells => Object.hasOwn(shells, name);

/** Prints the completion of one shell. @throws PcibackError `USAGE` for another shell; what the rc file is refused for */
export const runCompletion = async (context: CommandContext): Promise<number> => {
  const [shell = ''] = context.arguments;
  if (!isShell(shell)) {
    const known = Object.keys(shells);
    return fail('USAGE', {
      what: `no completion for "${shell}": there is one for ${known.join(', ')}`,
      nearest: nearest(shell, known),
    });
  }
  const { registries } = await context.plugins();
  context.print(completionText(shell, registries).trimEnd());
  return 0;
};

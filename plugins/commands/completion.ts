// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';

const completion: CommandDefinition = {
  name: 'completion',
  summary: 'print what makes a shell complete commands, options and addresses',
  details: `The packages for Debian install it. Elsewhere, for the running shell:

  source <(pciback completion bash)
  source <(pciback completion zsh)     after "autoload -U compinit && compinit"
  pciback completion fish | source

Commands of the rc file's plugins are in it: print it again when those change.`,
  arguments: [{ name: '<shell>', description: 'bash, zsh or fish', words: ['bash', 'zsh', 'fish'] }],
  options: [{ flags: '--config <file>', description: 'the rc file, instead of searching for one' }],
  run: async (context) => (await import('./completion/completion-run.ts')).runCompletion(context),
};

/** Completion for shells, made of what `--help` is made of. */
export default definePlugin({
  name: 'commands/completion',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(completion);
  },
});

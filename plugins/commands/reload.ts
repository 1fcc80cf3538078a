// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './reload-operations.ts';

export const reload: CommandDefinition = {
  name: 'reload',
  summary: 'have the running pciback read its rc file anew',
  details: `Puts what the rc file says now in force, all of it or, when one key cannot change in place, nothing: then the keys are
named and the status is 1. SIGHUP to the running pciback does the same, with the result in its log.`,
  options: controlOptions,
  run: async (context) => (await import('./reload-run.ts')).runReload(context),
};

export default definePlugin({
  name: 'commands/reload',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(reload);
    host.parts.add('reload', { about: 'Has the rc file read anew.', needs: ['guests'], operations });
  },
});

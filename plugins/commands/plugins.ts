// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';
import { operations } from './plugins-operations.ts';

export const plugins: CommandDefinition = {
  name: 'plugins',
  summary: 'show what is loaded, what it brings and taps, and how it does',
  details: `Of the running pciback, when one answers at the control socket; else what the rc file would load.`,
  options: [
    { flags: '--config <file>', description: 'the rc file, instead of searching for one' },
    { flags: '--control <path>', description: 'socket of the running pciback, instead of the rc file’s' },
    { flags: '--json', description: 'print one JSON document' },
  ],
  run: async (context) => (await import('./plugins-run.ts')).runPlugins(context),
};

export default definePlugin({
  name: 'commands/plugins',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(plugins);
    host.parts.add('plugins', { about: 'Tells what is loaded.', operations });
  },
});

// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';
import { operations } from './plugins-operations.ts';

export const plugins: CommandDefinition = {
  name: 'plugins',
  summary: 'show what is loaded, what it brings and taps, and how it does; load and unload it while guests run',
  details: `Of the running pciback, when one answers at the control socket; else what the rc file would load.

  pciback plugins load ./policy.ts           a file, a bundled plugin or a package, as in the rc file
  pciback plugins load observe/recorder --options '{"directory": "/root/sessions"}'
  pciback plugins unload observe/recorder    refused with the reason when something depends on it`,
  arguments: [
    { name: '[action]', description: 'load or unload; show if missing' },
    { name: '[what]', description: 'load: as the rc file would name it; unload: the name that is shown' },
  ],
  options: [
    { flags: '--options <json>', description: 'load: the plugin’s options, as in the rc file' },
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
    host.parts.add('plugins', { about: 'Tells what is loaded; loads and unloads it.', operations });
  },
});

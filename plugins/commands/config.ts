// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './config-operations.ts';

export const config: CommandDefinition = {
  name: 'config',
  summary: 'the configuration in force, and where each value comes from',
  details: `Of the running pciback, if there is one and --config names no file; else what \`pciback serve\` would have. Without
--effective only what the rc file and the command line say is shown.

--schema prints the JSON schema of rc files, with the sections of all plugins that are loaded, for editors:
\`"$schema": "./pciback.schema.json"\` in the rc file, or a line \`# yaml-language-server: $schema=…\`.`,
  options: [
    { flags: '--effective', description: 'show every key, those with their defaults too' },
    { flags: '--schema', description: 'print the JSON schema of rc files, and nothing else' },
    ...controlOptions,
  ],
  run: async (context) => (await import('./config-run.ts')).runConfig(context),
};

export default definePlugin({
  name: 'commands/config',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('effective', { about: 'Tells what of the configuration is in force.', operations });
    host.commands.add(config);
  },
});

// SPDX-License-Identifier: MIT

import { type CommandDefinition, definePlugin } from '../../core/plugin/index.ts';

export const status: CommandDefinition = {
  name: 'status',
  summary: 'what the running pciback serves: guests, devices, and what watching for requests costs',
  options: [
    { flags: '--config <file>', description: 'the rc file, instead of searching for one' },
    { flags: '--control <path>', description: 'socket of the running pciback, instead of the rc file’s' },
    { flags: '--json', description: 'print one JSON document' },
  ],
  run: async (context) => (await import('./status-run.ts')).runStatus(context),
};

export default definePlugin({
  name: 'control/status',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(status);
  },
});

// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import type { CommandDefinition } from '../kinds/command.ts';
import { startOptions } from './start-options.ts';

export const serve: CommandDefinition = {
  name: 'serve',
  summary: 'serve guests until stopped (a daemon in the foreground)',
  details: `SIGTERM or SIGINT: every guest is told and given time to let go, then everything is given back and the status
is 0. A second signal ends the process at once.

With --standby a second process has read and opened everything that it needs, and goes on with the guests of the first
as soon as that is gone; it needs the first one's journal.

With platform embedded everything happens inside of this process: an included guest gets all devices, so that one can
look at the log and try rc files, plugins and quirks without Xen.`,
  options: [
    ...startOptions,
    { flags: '--control <path>', description: 'socket for `pciback explain` and `pciback quirk`' },
    {
      flags: '--standby',
      description: 'be ready, and take over when the pciback that serves this host ends, however it ends',
    },
    {
      flags: '--record <directory>',
      description: 'record the config accesses of every session, for `pciback quirk learn`',
    },
    { flags: '--json', description: 'log as JSON, one object a line' },
    {
      flags: '--log-level <level>',
      description: 'least level that is written',
      choices: ['debug', 'info', 'warn', 'error'],
    },
  ],
  run: async (context) => (await import('./serve-run.ts')).runServe(context),
};

export default definePlugin({
  name: 'commands/serve',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(serve);
  },
});

// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './upgrade-operations.ts';

export const upgrade: CommandDefinition = {
  name: 'upgrade',
  summary: 'have the installed version take over the guests of the running one',
  details: `The running pciback starts the installed one, with its own command line, beside itself. When that has read and opened
all that it needs, the running one lets go of its guests without a word to them, and the new one goes on: they do not
notice. Whatever goes wrong before leaves the running one serving, and the status is 1. The journal has to be kept.`,
  options: controlOptions,
  run: async (context) => (await import('./upgrade-run.ts')).runUpgrade(context),
};

export default definePlugin({
  name: 'commands/upgrade',
  api: '^1.0',
  apply: (host) => {
    host.commands.add(upgrade);
    host.parts.add('upgrade', { about: 'Hands the guests over to the installed version.', operations });
  },
});

// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './quirk-operations.ts';

export const quirk: CommandDefinition = {
  name: 'quirk',
  summary: 'load, unload and list quirks of the running pciback; make one from a recorded session',
  details: `  pciback quirk load FILE            a quirk in .json or .ts, in force between two requests of a guest
  pciback quirk load TEXT            [DDDD:]BB:SS.F-REG:SIZE:MASK, all hexadecimal
  pciback quirk unload NAME
  pciback quirk list
  pciback quirk learn RECORDING      made by "pciback serve --record" or the policy observe/recorder`,
  arguments: [
    { name: '<action>', description: 'load, unload, list or learn' },
    { name: '[what]', description: 'the file, text, name or recording' },
  ],
  options: [
    { flags: '--device <bdf...>', description: 'load: only for these devices' },
    { flags: '-o, --output <file>', description: 'learn: where the quirk is written, .json or .ts; missing: printed' },
    ...controlOptions,
  ],
  run: async (context) => (await import('./quirk-run.ts')).runQuirk(context),
};

export default definePlugin({
  name: 'observe/quirk',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('quirk', { about: 'Loads and unloads quirks while guests run.', needs: ['guests'], operations });
    host.commands.add(quirk);
  },
});

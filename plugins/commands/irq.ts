// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { operations } from './irq-operations.ts';

export const irq: CommandDefinition = {
  name: 'irq',
  summary: 'show the handlers on interrupt lines that the running pciback keeps for guests; take one off or put it on',
  details: `  pciback irq list                   every device that a guest has
  pciback irq toggle BDF             take its handler off the line, or put it on`,
  arguments: [
    { name: '<action>', description: 'list or toggle', words: ['list', 'toggle'] },
    { name: '[bdf]', description: 'toggle: the device' },
  ],
  options: controlOptions,
  run: async (context) => (await import('./irq-run.ts')).runIrq(context),
};

export default definePlugin({
  name: 'commands/irq',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('irq', {
      about: 'Shows and switches the handlers on interrupt lines.',
      needs: ['guests'],
      operations,
    });
    host.commands.add(irq);
  },
});

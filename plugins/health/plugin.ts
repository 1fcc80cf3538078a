// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { Health, operationsOf } from './operations.ts';

const command: CommandDefinition = {
  name: 'health',
  summary: 'whether the running pciback is ready and live; the exit status says it too',
  details: `The status is 0 when guests are served and can be heard, else 1. A part that failed is shown, and costs no more than
what it does.`,
  options: [
    ...controlOptions,
    {
      flags: '--wait <seconds>',
      description: 'wait so long until it is ready, also for one that is still to be started',
    },
  ],
  run: async (context) => (await import('./health-run.ts')).runHealth(context),
};

/** Readiness and liveness, over the control socket. */
export default definePlugin({
  name: 'health',
  api: '^1.0',
  apply: (host) => {
    const health = new Health();
    host.parts.add('health', {
      about: 'Says whether guests are served and heard.',
      needs: ['guests'],
      operations: operationsOf(health),
      start: ({ engine }) => {
        health.begin(engine);
        return {};
      },
    });
    host.commands.add(command);
  },
});

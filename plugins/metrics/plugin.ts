// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { operationsOf } from './operations.ts';
import { type MetricsOptions, metricsSection } from './section.ts';

const command: CommandDefinition = {
  name: 'metrics',
  summary: 'what the running pciback counts, in the text format of Prometheus',
  details: `Prometheus itself can ask over TCP when \`metrics.port\` of the rc file names a port.`,
  options: controlOptions,
  run: async (context) => (await import('./metrics-run.ts')).runMetrics(context),
};

const start = async (context: PartContext<MetricsOptions>, resets: ReadonlyMap<Bdf, number>): Promise<RunningPart> => {
  const { port, address } = context.options;
  if (port === undefined) return { health: () => 'no port' };
  const { openPort } = await import('./port-run.ts');
  return openPort({ port, address }, context, resets);
};

/** Counts for Prometheus, over the control socket and, where the rc file asks for it, over TCP. */
export default definePlugin({
  name: 'metrics',
  api: '^1.0',
  apply: (host) => {
    /** Resets that were begun, by device. */
    const resets = new Map<Bdf, number>();
    host.hooks.resetDevice.tap(({ bdf }) => {
      resets.set(bdf, (resets.get(bdf) ?? 0) + 1);
    });
    host.parts.add('metrics', {
      about: 'Tells Prometheus what is counted.',
      needs: ['guests'],
      options: metricsSection,
      operations: operationsOf(resets),
      start: (context) => start(context, resets),
    });
    host.commands.add(command);
  },
});

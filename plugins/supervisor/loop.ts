// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { tellsOfCrashes } from '../crash.ts';
import type { PartContext, RunningPart } from '../kinds/part.ts';
import { type LoopOptions, loopSection } from './loop-section.ts';

const start = async (context: PartContext<LoopOptions>): Promise<RunningPart> => {
  if (!tellsOfCrashes()) return { health: () => 'the loop is that of another program' };
  return (await import('./loop-run.ts')).startWatching(context);
};

/** A thread that sees when the control loop stands still, and says in whose code. */
export default definePlugin({
  name: 'supervisor/loop',
  api: '^1.0',
  apply: (host) => {
    host.parts.add('loop', {
      about: 'Sees when the control loop stands still or memory runs out, and names the plugin.',
      // The thread starts beside the first guest, not before it.
      needs: ['guests'],
      options: loopSection,
      start,
    });
  },
});

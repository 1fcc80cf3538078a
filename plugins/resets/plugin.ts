// SPDX-License-Identifier: MIT

import { definePlugin } from '../../core/plugin/index.ts';
import { type CommandDefinition, controlOptions } from '../kinds/command.ts';
import { knownOf, termsOf } from './known.ts';
import { operations } from './reset-operations.ts';

export const reset: CommandDefinition = {
  name: 'reset',
  summary: 'show what a reset of a device would try, in which order, and why not',
  details: `  pciback reset --plan BDF    the methods of the host for a seized device: which is tried first, which are refused because
                              they are known not to work for it, and which functions share one. Nothing is reset.`,
  arguments: [],
  options: [{ flags: '--plan <bdf>', description: 'address of the device: [DDDD:]BB:SS.F' }, ...controlOptions],
  run: async (context) => (await import('./reset-run.ts')).runReset(context),
};

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Keeps methods that are known not to work for a device from being tried, and waits where it needs time afterwards. */
export default definePlugin({
  name: 'resets',
  api: '^1.0',
  apply: (host) => {
    host.hooks.resetDevice.tap(async ({ identity }, hardware) => {
      const known = knownOf(identity);
      if (known.length === 0) return undefined;
      const { without, delay } = termsOf(known);
      const outcome = await hardware.reset(without);
      if (outcome.ok && delay > 0) await pause(delay);
      return outcome;
    });
    host.parts.add('resets', { about: 'Tells what a reset of a device would try.', operations });
    host.commands.add(reset);
  },
});

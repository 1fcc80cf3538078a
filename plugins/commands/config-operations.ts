// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { fail } from '../errors.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import type { EffectiveConfig } from '../program/effective.ts';
import { CONFIGURATION, type Reloading } from '../program/reload.ts';

export const operations = {
  config: operation({
    about: 'Every key of the configuration in force, with its value and where that comes from.',
    asks: z.strictObject({}),
    answer: async (_asked, { engine, part }): Promise<EffectiveConfig> => {
      const configuration = part(CONFIGURATION) as Reloading | undefined;
      const what = 'this pciback runs inside of another program, without an rc file';
      if (configuration === undefined) return fail('USAGE', { what, nearest: undefined });
      const [{ effectiveOf }, { declaredSections }] = await Promise.all([
        import('../program/effective.ts'),
        import('../program/sections.ts'),
      ]);
      return effectiveOf(configuration.loaded, declaredSections(engine.plugins.registries));
    },
  }),
};

export type ConfigOperations = OperationsOf<typeof operations>;

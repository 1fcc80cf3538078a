// SPDX-License-Identifier: MIT

import { z } from 'zod';
import type { Bdf } from '../../core/bdf.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import type { Family } from './families-report.ts';

/** Everything that is counted. */
export interface MetricsReport {
  readonly families: readonly Family[];
}

export const operationsOf = (resets: ReadonlyMap<Bdf, number>) => ({
  metrics: operation({
    about: 'What is counted: requests, refused writes, resets and so on, by the names that Prometheus has for them.',
    asks: z.strictObject({}),
    answer: async (_asked, context): Promise<MetricsReport> => {
      const { familiesOf } = await import('./families-report.ts');
      return { families: familiesOf(context, resets) };
    },
  }),
});

export type MetricsOperations = OperationsOf<ReturnType<typeof operationsOf>>;

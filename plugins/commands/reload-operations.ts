// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { fail } from '../errors.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import { CONFIGURATION, type Reloading, type ReloadReport } from '../program/reload.ts';

export const operations = {
  reload: operation({
    about: 'Reads the rc file anew and puts the difference in force, or refuses the whole.',
    asks: z.strictObject({}),
    answer: (_asked, { part }): Promise<ReloadReport> => {
      const configuration = part(CONFIGURATION) as Reloading | undefined;
      return (
        configuration?.reload() ??
        fail('USAGE', { what: 'this pciback runs inside of another program, without an rc file', nearest: undefined })
      );
    },
  }),
};

export type ReloadOperations = OperationsOf<typeof operations>;

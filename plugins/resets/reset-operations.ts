// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf } from '../../core/bdf.ts';
import { seizedAt } from '../assigned.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import { knownOf } from './known.ts';
import { planOf, type ResetPlan } from './plan.ts';

export interface ResetPlanReport extends ResetPlan {
  readonly bdf: string;
  /** The host's drivers of other functions on the bus decide whether it can be reset as a whole. */
  readonly tellsMethods: boolean;
}

export const operations = {
  'reset-plan': operation({
    about:
      'What a reset of a seized device would try, in which order, who shares it, and what is refused; nothing is reset.',
    asks: z.strictObject({ bdf: z.string().describe('Address of a device that is seized.') }),
    answer: async ({ bdf }, { engine }): Promise<ResetPlanReport> => {
      const device = seizedAt(engine, bdf);
      const { hardware } = device.operations;
      const siblings = (await engine.platform.pci.list())
        .filter((one) => one.bdf !== device.bdf && one.bdf >>> 8 === device.bdf >>> 8 && device.bridges.length > 0)
        .map((one) => `${formatBdf(one.bdf)} (${one.holder})`);
      const offered = await hardware.resetMethods?.();
      return {
        bdf: formatBdf(device.bdf),
        tellsMethods: offered !== undefined,
        ...planOf(offered, knownOf(device.identity), siblings),
      };
    },
  }),
};

export type ResetOperations = OperationsOf<typeof operations>;

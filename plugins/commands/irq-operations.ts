// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { type Bdf, formatBdf } from '../../core/bdf.ts';
import { fail } from '../../core/errors/index.ts';
import type { LineState } from '../../core/plugin/index.ts';
import type { Assignment } from '../../core/stub/index.ts';
import { assignedAt } from '../assigned.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';

/** The handler on the line of one device, as `irq_handlers` of the kernel's back end shows it. */
export interface IrqHandlerStatus extends LineState {
  readonly bdf: string;
  /** Domain that has the device. */
  readonly guest: number;
}

/** `undefined`: no plugin looks after the line. */
const handlerOf = (bdf: Bdf, { tenant, interrupts }: Assignment): IrqHandlerStatus | undefined => {
  const { line } = interrupts;
  return line === undefined ? undefined : { bdf: formatBdf(bdf), guest: tenant.domain, ...line };
};

export const operations = {
  'irq-handlers': operation({
    about: 'The handler on the interrupt line of every device that a guest has.',
    asks: z.strictObject({}),
    answer: (_asked, { engine }): { readonly handlers: readonly IrqHandlerStatus[] } => ({
      handlers: engine.stub.devices.flatMap(({ bdf, assignment }) =>
        assignment === undefined ? [] : (handlerOf(bdf, assignment) ?? []),
      ),
    }),
  }),
  'irq-toggle': operation({
    about: 'Takes the handler off the line, or puts it on; answers how it is then.',
    asks: z.strictObject({ bdf: z.string().describe('Address of a device that a guest has.') }),
    answer: ({ bdf }, { engine }): IrqHandlerStatus => {
      const { device, assignment } = assignedAt(engine, bdf, 'its line has no handler');
      assignment.interrupts.toggleLine();
      const why = 'its state is not known';
      return handlerOf(device.bdf, assignment) ?? fail('LINE_HANDLER', { bdf: formatBdf(device.bdf), why });
    },
  }),
};

export type IrqOperations = OperationsOf<typeof operations>;

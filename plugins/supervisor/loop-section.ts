// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `loop` of the rc file. */
export const loopSection = z
  .strictObject({
    seconds: z
      .int()
      .min(1)
      .default(10)
      .describe('Seconds that the control loop may stand still before the plugin that holds it is named.'),
    megabytes: z
      .int()
      .min(64)
      .default(1024)
      .describe('Memory of the process, in MiB, above which the plugin whose code runs is named.'),
    action: z
      .enum(['report', 'end'])
      .optional()
      .describe(
        '`end`: the process ends with status 70, for a supervisor to start it anew; `report`: it goes on. Default: `end` under a service manager (`NOTIFY_SOCKET` is set), else `report`.',
      ),
  })
  .prefault({})
  .describe('Watches that plugins do not hold the control loop or take all memory.');

export type LoopOptions = z.output<typeof loopSection>;

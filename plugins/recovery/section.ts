// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `errors` of the rc file. */
export const errorsSection = z
  .strictObject({
    deadlineSeconds: z
      .number()
      .min(1)
      .max(300)
      .default(60)
      .describe('Seconds that a guest gets to answer each question about an error of a device.'),
    onFailure: z
      .enum(['fence', 'pause', 'destroy'])
      .default('fence')
      .describe(
        'What becomes of a guest whose device was cut off: `fence` nothing more, `pause` stops it for a look, `destroy` ends it as a crash.',
      ),
  })
  .prefault({})
  .describe('PCI Express errors: a guest that does not answer or gives up loses the device.');

export type ErrorOptions = z.output<typeof errorsSection>;

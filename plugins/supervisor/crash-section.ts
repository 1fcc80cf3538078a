// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `crash` of the rc file. */
export const crashSection = z
  .strictObject({
    directory: z
      .string()
      .min(1)
      .default('/run/pciback/crash')
      .describe('Folder for reports about ends that nobody asked for; made when the first is written.'),
    keep: z.int().min(1).max(1000).default(10).describe('Reports that are kept; the oldest go.'),
  })
  .prefault({})
  .describe('Reports about ends that nobody asked for.');

export type CrashOptions = z.output<typeof crashSection>;

// SPDX-License-Identifier: MIT

import { isIP } from 'node:net';
import { z } from 'zod';

/** The section `metrics` of the rc file. */
export const metricsSection = z
  .strictObject({
    port: z
      .int()
      .min(0)
      .max(65_535)
      .optional()
      .describe(
        'TCP port at which Prometheus gets metrics; 0: a free one. Missing: none, `pciback metrics` prints the same.',
      ),
    address: z
      .string()
      .refine((text) => isIP(text) !== 0, 'expected an IP address such as "127.0.0.1"')
      .default('127.0.0.1')
      .describe('Address of that port. Another one than that of this host alone lets everybody who reaches it read.'),
  })
  .prefault({})
  .describe('Metrics for Prometheus.');

export type MetricsOptions = z.output<typeof metricsSection>;

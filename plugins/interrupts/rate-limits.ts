// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { type RateLimits, usualLimits } from './rate-defaults.ts';

/** Options of `interrupts/rate-limited`. */
export const rateLimits = z.strictObject({
  changes: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(usualLimits.changes)
    .describe('How often a guest may switch MSI or MSI-X of one device on within `seconds`.'),
  seconds: z.number().positive().max(3600).default(usualLimits.seconds).describe('Length of the window.'),
  policy: z.string().min(1).default(usualLimits.policy).describe('The policy that decides while the guest is calm.'),
}) satisfies z.ZodType<RateLimits>;

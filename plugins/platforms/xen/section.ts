// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `xen` of the rc file. */
export const xenSection = z
  .strictObject({
    configPages: z
      .boolean()
      .default(true)
      .describe(
        'Whether config space is read from memory where the hypervisor allows it; `false`: through its files only.',
      ),
    lane: z
      .boolean()
      .default(true)
      .describe('Whether a thread of its own answers what needs no code; `false`: one thread does everything.'),
    mode: z
      .enum(['drop-in', 'stand-alone'])
      .default('drop-in')
      .describe(
        '`drop-in`: the toolstack (xl) assigns devices, the kernel’s pciback module holds them; `stand-alone`: this program does both, without that module.',
      ),
    precedence: z
      .boolean()
      .optional()
      .describe(
        'Whether the threads that guests wait for go before other programs of the host (a lower nice value); `false`: they have the priority that pciback was started with. Missing: as `true` where the host has more than one processor; on one, where a guest that asks without a pause would keep everything else from it, the answering thread goes before others by a little only.',
      ),
  })
  .prefault({})
  .describe('Settings of platform `xen`.');

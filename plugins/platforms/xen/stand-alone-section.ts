// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `stand-alone` of the rc file. */
export const standAloneSection = z
  .strictObject({
    withoutIommu: z
      .enum(['refuse', 'allow'])
      .default('refuse')
      .describe(
        'What becomes of a start on a host without an IOMMU, where whoever has a device reaches all memory: `refuse`, or `allow` for guests that are trusted as the host itself.',
      ),
  })
  .prefault({})
  .describe('Settings of mode `stand-alone` of platform `xen`.');

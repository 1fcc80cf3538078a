// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `stand-alone` of the rc file. */
export const standAloneSection = z
  .strictObject({
    lineHandler: z
      .enum(['uio', 'none'])
      .default('uio')
      .describe(
        'Who claims the interrupts of a guest’s device on a line that the host uses too: `uio`, the kernel’s driver `uio_pci_generic`, where it is loaded; `none`. Without it the device is kept from its line, unless `sharedLines` is `allow`.',
      ),
    withoutIommu: z
      .enum(['refuse', 'allow'])
      .default('refuse')
      .describe(
        'What becomes of a start on a host without an IOMMU, where whoever has a device reaches all memory: `refuse`, or `allow` for guests that are trusted as the host itself.',
      ),
  })
  .prefault({})
  .describe('Settings of mode `stand-alone` of platform `xen`.');

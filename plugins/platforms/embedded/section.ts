// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `embedded` of the rc file. */
export const embeddedSection = z
  .strictObject({
    devices: z
      .array(z.string().min(1, 'expected a name'))
      .default(['host', 'samples'])
      .describe('Where devices come from: `host`, `samples`, or the path of an `lspci -xxxx` dump.'),
  })
  .prefault({})
  .describe('Settings of platform `embedded`.');

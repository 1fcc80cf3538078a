// SPDX-License-Identifier: MIT

import { z } from 'zod';

/** The section `vfio-user` of the rc file. */
export const vfioUserSection = z
  .strictObject({
    devices: z
      .array(z.string().min(1, 'expected a name'))
      .default(['samples'])
      .describe(
        'Where devices come from: `host` (its config space, only read), `samples`, or the path of an `lspci -xxxx` dump.',
      ),
    sockets: z
      .record(z.string(), z.string().min(1, 'expected a path').max(107, 'expected a path of at most 107 bytes'))
      .default({})
      .describe('Where single devices are offered: a socket’s path for the address of each.'),
    folder: z
      .string()
      .min(1, 'expected a path')
      .optional()
      .describe(
        'Folder in which every other endpoint is offered, at a socket named after its address, `0000:01:00.0.sock`; missing: they are not offered.',
      ),
    memoryMiB: z
      .int()
      .min(0)
      .max(4096)
      .default(64)
      .describe('Most memory that is kept of what a client wrote to the BARs of one device; more is lost.'),
  })
  .prefault({})
  .describe('Settings of platform `vfio-user`.');

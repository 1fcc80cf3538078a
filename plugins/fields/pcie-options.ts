// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { deviceOption } from '../device-option.ts';

/** Options of `fields/pcie`. */
export const pcieOptions = z.strictObject({
  relaxedOrdering: deviceOption('Devices whose guest switches relaxed ordering in hardware, not for itself alone.'),
  readRequest: deviceOption(
    'Devices whose guest chooses the read-request size in hardware, from the payload size to 4096 bytes.',
  ),
});

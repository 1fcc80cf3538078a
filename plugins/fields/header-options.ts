// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { deviceOption } from '../device-option.ts';

/** Options of `fields/header`. */
export const headerOptions = z.strictObject({
  rom: deviceOption('Devices whose guest switches their expansion ROM on and off in hardware.'),
});

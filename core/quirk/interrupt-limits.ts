// SPDX-License-Identifier: MIT

import type { InterruptLimits } from '../interrupts.ts';
import type { Quirk } from './quirk.ts';

/** What these quirks, all of one device, say about its line interrupt. */
export const interruptLimitsOf = (quirks: readonly Quirk[]): InterruptLimits =>
  Object.assign({}, ...quirks.map((quirk) => quirk.interruptLimits));

// SPDX-License-Identifier: MIT

import type { RecoveryStage } from '../core/platform/index.ts';
import { type GuestVerdict, Verdict } from '../core/ring/layout.ts';

/** What a recovery starts a stage with, and what is said of functions that nobody is asked about. */
export const initialVerdicts: Readonly<Record<RecoveryStage, GuestVerdict>> = {
  detected: Verdict.canRecover,
  mmioEnabled: Verdict.recovered,
  slotReset: Verdict.recovered,
  resume: Verdict.none,
};

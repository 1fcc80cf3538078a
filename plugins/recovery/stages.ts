// SPDX-License-Identifier: MIT

import type { RecoveryStage } from '../../core/platform/index.ts';
import { Command } from '../../core/ring/layout.ts';

/** What one stage of a recovery means for a guest. */
export interface StageRule {
  /** The command of the request. */
  readonly command: number;
  /** A guest that never said that it understands such requests. */
  readonly withoutHandler: 'fence' | 'leave';
  /** Whether the guest's answer decides anything. */
  readonly verdictCounts: boolean;
}

/** The stages, as the kernel's back end handles them. */
export const stageRules: Readonly<Record<RecoveryStage, StageRule>> = {
  detected: {
    command: Command.aerDetected,

    withoutHandler: 'fence',
    verdictCounts: true,
  },
  // Such a guest was fenced at `detected`.
  mmioEnabled: { command: Command.aerMmio, withoutHandler: 'leave', verdictCounts: true },
  slotReset: {
    command: Command.aerSlotReset,

    withoutHandler: 'leave',
    verdictCounts: true,
  },
  resume: { command: Command.aerResume, withoutHandler: 'fence', verdictCounts: false },
};

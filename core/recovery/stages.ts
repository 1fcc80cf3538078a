// SPDX-License-Identifier: MIT

import type { RecoveryStage } from '../platform/index.ts';
import { Command, type GuestVerdict, Verdict } from '../ring/layout.ts';

/** What one stage of a recovery means for a guest. */
export interface StageRule {
  /** The command of the request. */
  readonly command: number;
  /** What a recovery starts the stage with, and what is said of devices that nobody is asked about. */
  readonly initial: GuestVerdict;
  /** A guest that never said that it understands such requests. */
  readonly withoutHandler: 'fence' | 'leave';
  /** Whether the guest's answer decides anything. */
  readonly verdictCounts: boolean;
}

/** The stages, as the kernel's back end handles them. */
export const stageRules: Readonly<Record<RecoveryStage, StageRule>> = {
  detected: {
    command: Command.aerDetected,
    initial: Verdict.canRecover,
    withoutHandler: 'fence',
    verdictCounts: true,
  },
  // Such a guest was fenced at `detected`.
  mmioEnabled: { command: Command.aerMmio, initial: Verdict.recovered, withoutHandler: 'leave', verdictCounts: true },
  slotReset: {
    command: Command.aerSlotReset,
    initial: Verdict.recovered,
    withoutHandler: 'leave',
    verdictCounts: true,
  },
  resume: { command: Command.aerResume, initial: Verdict.none, withoutHandler: 'fence', verdictCounts: false },
};

// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import type { DeviceError, ErrorListener, RecoveryReport, RecoveryStage } from '../../core/platform/index.ts';
import { type Channel, ChannelState, type GuestVerdict, Verdict } from '../../core/ring/layout.ts';
import { initialVerdicts } from '../initial-verdicts.ts';

/** An error that a host recovers from. */
export interface Incident {
  /** The functions below the port that the error was reported at, or the one function itself. */
  readonly functions: readonly Bdf[];
  readonly severity: 'nonfatal' | 'fatal';
  readonly ask: ErrorListener;
  /** Resets the link that leads to the functions; whether it came up again. Called for fatal errors. */
  readonly resetLink: () => Promise<boolean>;
}

/**
 * One verdict over several functions: "none" says nothing, "no driver" always wins, "needs reset" sticks, "disconnect"
 * gives way to it alone, and everything else is replaced by what comes later.
 */
export const mergeVerdicts = (merged: GuestVerdict, next: GuestVerdict): GuestVerdict => {
  if (next === Verdict.noDriver) return next;
  if (next === Verdict.none) return merged;
  switch (merged) {
    case Verdict.canRecover:
    case Verdict.recovered:
      return next;
    case Verdict.disconnect:
      return next === Verdict.needReset ? next : merged;
    default:
      return merged;
  }
};

/**
 * A host's recovery: all functions are told, then asked again or reset as their verdicts say, then told to go on. When
 * that fails they are told that their channel is gone for good.
 *
 * The functions of one stage are asked side by side, so the slowest of them bounds the stage.
 */
export const recover = async ({ functions, severity, ask, resetLink }: Incident): Promise<RecoveryReport> => {
  const steps: RecoveryReport['steps'][number][] = [];
  const run = async (stage: RecoveryStage, channel: Channel): Promise<GuestVerdict> => {
    const answers = await Promise.all(
      functions.map(async (bdf) => {
        const error: DeviceError = { bdf, stage, channel };
        return { ...error, verdict: await ask(error) };
      }),
    );
    steps.push(...answers);
    return answers.reduce<GuestVerdict>((merged, one) => mergeVerdicts(merged, one.verdict), initialVerdicts[stage]);
  };
  const channel = severity === 'fatal' ? ChannelState.frozen : ChannelState.normal;
  let verdict = await run('detected', channel);
  if (severity === 'fatal' && !(await resetLink())) verdict = Verdict.disconnect;
  if (verdict === Verdict.canRecover) verdict = await run('mmioEnabled', channel);
  if (verdict === Verdict.needReset) verdict = await run('slotReset', channel);
  if (verdict === Verdict.recovered) {
    await run('resume', channel);
    return { outcome: 'recovered', steps };
  }
  await run('detected', ChannelState.permanentFailure);
  return { outcome: 'failed', steps };
};

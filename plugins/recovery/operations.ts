// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { FenceReason } from '../../core/facts.ts';
import type { ErrorSeverity, RecoveryReport, RecoveryStage } from '../../core/platform/index.ts';
import { fail } from '../errors.ts';
import { type OperationsOf, operation } from '../kinds/part.ts';
import { channelName, verdictName } from './names.ts';

/** What became of an injected error, with words for numbers. `under way`: a guest takes its time; the log says the rest. */
export interface InjectedError {
  readonly outcome: RecoveryReport['outcome'] | 'under way';
  readonly steps: readonly {
    readonly bdf: string;
    readonly stage: RecoveryStage;
    readonly channel: string;
    readonly verdict: string;
  }[];
  /** Functions of guests that are cut off now. */
  readonly fenced: readonly { readonly bdf: string; readonly reason: FenceReason }[];
}

/** Milliseconds after which an answer is given without the end of a recovery: a client waits 10 s. */
const LONGEST_WAIT = 5000;

const severities: readonly ErrorSeverity[] = ['correctable', 'nonfatal', 'fatal'];
const isSeverity = (text: string): text is ErrorSeverity => severities.some((one) => one === text);

/** The result, or `undefined` when it is not there in time. */
const inTime = async <Result>(milliseconds: number, work: Promise<Result>): Promise<Result | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

export const operations = {
  'inject-error': operation({
    about: 'Makes a function raise an error, to rehearse its recovery.',
    asks: z.strictObject({
      bdf: z.string().describe('Address of the function.'),
      severity: z.string().describe('correctable, nonfatal or fatal.'),
    }),
    answer: async ({ bdf, severity }, { engine }): Promise<InjectedError> => {
      if (!isSeverity(severity)) {
        const what = `"${severity}" is not one of ${severities.join(', ')}`;
        return fail('USAGE', { what, nearest: nearest(severity, severities) });
      }
      const address = parseBdf(bdf);
      const { errors, name } = engine.platform;
      if (errors?.inject === undefined) {
        const why = `platform ${name} cannot make functions fail`;
        return fail('ERRORS_NOT_INJECTED', { bdf: formatBdf(address), why });
      }
      const report = await inTime(LONGEST_WAIT, errors.inject(address, severity));
      return {
        outcome: report?.outcome ?? 'under way',
        steps: (report?.steps ?? []).map((step) => ({
          bdf: formatBdf(step.bdf),
          stage: step.stage,
          channel: channelName(step.channel),
          verdict: verdictName(step.verdict),
        })),
        fenced: engine.stub.devices.flatMap(({ bdf: device, assignment }) =>
          assignment?.fenced === undefined ? [] : [{ bdf: formatBdf(device), reason: assignment.fenced }],
        ),
      };
    },
  }),
};

export type RecoveryOperations = OperationsOf<typeof operations>;

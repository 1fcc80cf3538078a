// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { columns, WIDTH } from '../columns.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { PlannedMethod } from './plan.ts';
import type { ResetOperations, ResetPlanReport } from './reset-operations.ts';

const verdicts: Readonly<Record<PlannedMethod['verdict'], string>> = {
  first: 'tried first',
  next: 'tried next',
  refused: 'refused',
  'not offered': 'not offered',
};

const rowOf = ({ name, about, verdict, why, shares }: PlannedMethod): string[] => [
  name,
  about,
  [
    `${verdicts[verdict]}${why === undefined ? '' : `: ${why}`}`,
    ...(shares.length === 0 ? [] : [`shared with ${shares.join(', ')}`]),
  ].join('; '),
];

/** For people. */
export const linesOf = ({ bdf, tellsMethods, methods, delay }: ResetPlanReport): readonly string[] => [
  `${bdf}: what a reset would try${tellsMethods ? '' : '; the host does not tell its methods'}`,
  ...columns([['method', 'what it is', 'verdict'], ...methods.map(rowOf)], WIDTH - 2).map((line) => `  ${line}`),
  ...(delay > 0 ? [`  afterwards the device is left alone for ${delay} ms`] : []),
];

/**
 * Prints what a reset of a device would try. Nothing is reset.
 *
 * @returns 0
 * @throws PcibackError `USAGE`, `BDF_SYNTAX`, `CONTROL_UNREACHABLE`, `DEVICE_NOT_SEIZED`
 */
export const runReset = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  if (typeof options.plan !== 'string') {
    return fail('USAGE', {
      what: 'reset needs --plan BDF; a device is reset when it changes hands',
      nearest: undefined,
    });
  }
  const bdf = formatBdf(parseBdf(options.plan));
  const plan = await (await context.control<ResetOperations>()).require('reset-plan', { bdf });
  if (options.json === true) {
    print(JSON.stringify(plan, undefined, 2));
    return 0;
  }
  for (const line of linesOf(plan)) print(line);
  return 0;
};

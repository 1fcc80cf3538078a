// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { columns } from '../columns.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { RecoveryOperations } from './operations.ts';

/**
 * Asks the running pciback to inject an error, and prints what became of it.
 *
 * @returns 0; 1 when the recovery failed
 * @throws PcibackError `BDF_SYNTAX`, `USAGE`, `ERRORS_NOT_INJECTED`, `DEVICE_NOT_FOUND`, `CONTROL_UNREACHABLE`
 */
export const runInjectError = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [address = '', severity = ''] = context.arguments;
  const bdf = formatBdf(parseBdf(address));
  const client = await context.control<RecoveryOperations>();
  const report = await client.require('inject-error', { bdf, severity });
  if (options.json === true) print(JSON.stringify(report, undefined, 2));
  else {
    print(`${bdf}: ${severity} error, ${report.outcome}`);
    const rows = report.steps.map(({ stage, bdf: of, channel, verdict }) => [stage, of, channel, verdict]);
    if (rows.length > 0)
      for (const line of columns([['stage', 'function', 'channel', 'verdict'], ...rows])) print(line);
    for (const { bdf: of, reason } of report.fenced) print(`${of} is cut off from its guest: ${reason}`);
  }
  return report.outcome === 'failed' ? 1 : 0;
};

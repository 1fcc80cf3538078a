// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { fail } from '../../core/errors/index.ts';
import type { CommandContext } from '../../core/plugin/index.ts';
import { columns } from '../columns.ts';
import { configure, overridesOf } from '../commands/setup.ts';
import { ControlClient } from '../control/index.ts';

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
  const { config } = await configure(overridesOf(options));
  if (config.control === false) {
    const what = 'the rc file says "control: false", so the running pciback cannot be asked';
    return fail('USAGE', { what, nearest: undefined });
  }
  const report = await new ControlClient(config.control).require('inject-error', { bdf, severity });
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

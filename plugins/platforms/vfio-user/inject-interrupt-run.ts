// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../../../core/bdf.ts';
import { fail } from '../../errors.ts';
import type { CommandContext } from '../../kinds/command.ts';
import type { VfioUserOperations } from './operations.ts';

/**
 * Asks the running pciback to raise an interrupt, and prints what became of it.
 *
 * @returns 0; 1 when it reached nobody
 * @throws PcibackError `BDF_SYNTAX`, `USAGE`, `CONTROL_UNREACHABLE`
 */
export const runInjectInterrupt = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [address = '', kind, vector] = context.arguments;
  const bdf = formatBdf(parseBdf(address));
  if (vector !== undefined && !/^\d{1,4}$/.test(vector)) {
    fail('USAGE', { what: `"${vector}" is not the number of a message`, nearest: undefined });
  }
  const client = await context.control<VfioUserOperations>();
  const report = await client.require('inject-interrupt', {
    bdf,
    ...(kind === undefined ? {} : { kind }),
    ...(vector === undefined ? {} : { vector: Number(vector) }),
  });
  if (options.json === true) print(JSON.stringify(report, undefined, 2));
  else print(`${bdf}: ${report.kind} ${report.vector}: ${report.outcome}`);
  return report.outcome === 'raised' ? 0 : 1;
};

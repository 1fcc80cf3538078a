// SPDX-License-Identifier: MIT

import type { CommandContext } from '../kinds/command.ts';
import { expose } from './exposition.ts';
import type { MetricsOperations } from './operations.ts';

/** @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE` */
export const runMetrics = async (context: CommandContext): Promise<number> => {
  const report = await (await context.control<MetricsOperations>()).require('metrics', {});
  context.print(
    context.options.json === true ? JSON.stringify(report, undefined, 2) : expose(report.families).trimEnd(),
  );
  return 0;
};

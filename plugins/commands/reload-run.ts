// SPDX-License-Identifier: MIT

import type { CommandContext } from '../kinds/command.ts';
import type { ReloadOperations } from './reload-operations.ts';

/** @throws PcibackError `CONTROL_UNREACHABLE`, and why the configuration is refused */
export const runReload = async (context: CommandContext): Promise<number> => {
  const report = await (await context.control<ReloadOperations>()).require('reload', {});
  const { keys, file = '(defaults)' } = report;
  const changed = keys.length === 0 ? 'nothing has changed' : `in force now: ${keys.join(', ')}`;
  context.print(context.options.json === true ? JSON.stringify(report, undefined, 2) : `${file}: ${changed}`);
  return 0;
};

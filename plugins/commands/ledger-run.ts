// SPDX-License-Identifier: MIT

import { columns } from '../columns.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { BundledOperations } from '../program/operations.ts';

/**
 * Prints what the running pciback holds beside what the hypervisor and the host say.
 *
 * @returns 0 when they say the same, else 1
 * @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE`
 */
export const runLedger = async (context: CommandContext): Promise<number> => {
  const report = await (await context.control<BundledOperations>()).require('ledger', {});
  const { process, held, rows, notAsked } = report;
  const differing = rows.filter(({ equal }) => !equal);
  if (context.options.json === true) {
    context.print(JSON.stringify(report, undefined, 2));
    return differing.length === 0 ? 0 : 1;
  }
  const table = rows.map(({ what, ours, theirs, source, equal }) => [
    equal ? 'equal' : 'DIFFERS',
    what,
    String(ours),
    String(theirs),
    source,
  ]);
  for (const row of columns([['', 'what', 'ours', 'theirs', 'asked of'], ...table])) context.print(row.trimEnd());
  if (notAsked.length > 0) context.print(`not told by this host: ${notAsked.join(', ')}`);
  context.print(`\nheld: ${held.length === 0 ? 'nothing' : ''}`.trimEnd());
  for (const { kind, domain, what } of held) {
    context.print(`  ${kind}${domain === undefined ? '' : ` of domain ${domain}`}: ${what}`);
  }
  context.print(`the process: ${process.descriptors} descriptors, ${process.timers} timers`);
  context.print(differing.length === 0 ? 'the ledger is right' : `the ledger is wrong in ${differing.length} places`);
  return differing.length === 0 ? 0 : 1;
};

// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { columns } from '../columns.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { IrqHandlerStatus, IrqOperations } from './irq-operations.ts';

const usage = (what: string, near?: string): never => fail('USAGE', { what, nearest: near });

const header = ['device', 'guest', 'irq', 'handler', 'acknowledging', 'handled', 'line interrupt'] as const;

const row = ({ bdf, guest, irq, on, acknowledging, handled, refused }: IrqHandlerStatus): readonly string[] => [
  bdf,
  String(guest),
  irq === 0 ? '-' : String(irq),
  on ? 'on' : 'off',
  acknowledging ? 'yes' : 'no',
  String(handled),
  irq === 0 ? 'none' : refused === undefined ? 'allowed' : `refused: ${refused}`,
];

const print = (context: CommandContext, handlers: readonly IrqHandlerStatus[]): number => {
  if (context.options.json === true) context.print(JSON.stringify({ handlers }, undefined, 2));
  else for (const line of columns([header, ...handlers.map(row)])) context.print(line);
  return 0;
};

const list = async (context: CommandContext): Promise<number> => {
  const { handlers } = await (await context.control<IrqOperations>()).require('irq-handlers', {});
  return print(context, handlers);
};

const toggle = async (context: CommandContext): Promise<number> => {
  const [, text = usage('irq toggle needs the address of a device')] = context.arguments;
  const bdf = formatBdf(parseBdf(text));
  return print(context, [await (await context.control<IrqOperations>()).require('irq-toggle', { bdf })]);
};

const actions: Readonly<Record<string, (context: CommandContext) => Promise<number>>> = { list, toggle };

/**
 * Runs one of the actions.
 *
 * @throws PcibackError `USAGE`, `BDF_SYNTAX`, `CONTROL_UNREACHABLE`, `LINE_HANDLER` and what else the running pciback
 * refuses
 */
export const runIrq = async (context: CommandContext): Promise<number> => {
  const [action = ''] = context.arguments;
  const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (run === undefined) return usage(`irq has no action "${action}"`, nearest(action, Object.keys(actions)));
  return run(context);
};

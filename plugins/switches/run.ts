// SPDX-License-Identifier: MIT

import { isPcibackError } from '../../core/errors/index.ts';
import { Errno, errnoName } from '../../core/platform/index.ts';
import { columns } from '../columns.ts';
import { fail } from '../errors.ts';
import type { CommandContext, ControlClient } from '../kinds/command.ts';
import type { AttributeRow } from './attributes.ts';
import { errnoOf } from './errno.ts';
import type { SwitchOperations } from './operations.ts';

type Client = ControlClient<SwitchOperations>;

const usage = (what: string): never => fail('USAGE', { what, nearest: undefined });

const printTable = ({ print }: CommandContext, rows: readonly AttributeRow[]): void => {
  const [first] = rows;
  if (first === undefined) {
    print('nothing');
    return;
  }
  const cells = rows.map((row) => Object.values(row).map(String));
  for (const line of columns([Object.keys(first), ...cells])) print(line);
};

const list = async (context: CommandContext, client: Client): Promise<void> => {
  const { attributes } = await client.require('attributes', {});
  if (context.options.sysfs === true) for (const { name } of attributes) context.print(name);
  else
    printTable(
      context,
      attributes.map((one) => ({ ...one })),
    );
};

const read = async (context: CommandContext, client: Client, name: string): Promise<void> => {
  const reading = await client.require('attribute-read', { name });
  if (context.options.json === true) context.print(JSON.stringify(reading, undefined, 2));
  else if (context.options.sysfs !== true) printTable(context, reading.rows);
  // An empty file has no line.
  else if (reading.text !== '') context.print(reading.text.replace(/\n$/, ''));
};

const write = async (context: CommandContext, client: Client, name: string, text: string): Promise<void> => {
  const { json, sysfs, off } = context.options;
  const written = await client.require('attribute-write', { name, text, ...(off === true ? { off } : {}) });
  if (json === true) context.print(JSON.stringify(written, undefined, 2));
  // As `echo TEXT > FILE`.
  else if (sysfs !== true) context.print(`${name}: ${text.trim()}${off === true ? ' off' : ''}`);
};

/**
 * Lists, reads or writes attributes.
 *
 * @returns 0
 * @throws PcibackError `USAGE`, `CONTROL_UNREACHABLE`; what the attribute refuses, with `--sysfs` as `ATTRIBUTE_ERRNO`
 */
export const runAttribute = async (context: CommandContext): Promise<number> => {
  const { options } = context;
  const [name, text] = context.arguments;
  if (options.json === true && options.sysfs === true) usage('--json and --sysfs exclude each other');
  if (options.off === true && text === undefined) usage('--off needs an attribute and the address of a device');
  if (options.off === true && options.sysfs === true) usage('the kernel has no --off: leave --sysfs out');
  const client = await context.control<SwitchOperations>();
  try {
    if (name === undefined) await list(context, client);
    else if (text === undefined) await read(context, client, name);
    else await write(context, client, name, text);
  } catch (error) {
    const isTheirs = !isPcibackError(error) || ['CONTROL_UNREACHABLE', 'PART_NOT_RUNNING'].includes(error.code);
    if (options.sysfs !== true || name === undefined || isTheirs) throw error;
    const operation = text === undefined ? 'read' : 'write';
    const errno = errnoName(Errno[errnoOf(name, error)]);
    fail('ATTRIBUTE_ERRNO', { attribute: name, operation, errno, why: error.message, next: error.solve }, error);
  }
  return 0;
};

// SPDX-License-Identifier: MIT

import { nearest } from '../../core/errors/nearest.ts';
import { columns } from '../columns.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import { type Allowance, allowances } from './consent.ts';
import { parseAll } from './meant.ts';
import type { Seizing, SeizingOperations } from './operations.ts';

const rowOf = ({ bdf, before, now, state, why, next, notes = [] }: Seizing): string[] => {
  const words = [why, next, ...notes].filter((one) => one !== undefined);
  return [bdf, before, now, words.length === 0 ? state : `${state}: ${words.join('. ').replaceAll('..', '.')}`];
};

/** For people, on 80 columns. */
export const linesOf = (devices: readonly Seizing[]): readonly string[] =>
  columns([['device', 'before', 'now', ''], ...devices.map(rowOf)]).map((line) => line.trimEnd());

/** @returns 1 when something was refused */
const tell = ({ options, print }: CommandContext, devices: readonly Seizing[]): number => {
  if (options.json === true) print(JSON.stringify({ devices }, undefined, 2));
  else for (const line of linesOf(devices)) print(line);
  return devices.some(({ state }) => state === 'refused') ? 1 : 0;
};

/** What was named; refused here already, where no pciback need run to say so. */
const named = (context: CommandContext): string[] => {
  const patterns = [...context.arguments];
  parseAll(patterns);
  return patterns;
};

const allowed = (option: unknown): Allowance[] | undefined => {
  if (typeof option !== 'string') return undefined;
  return option.split(',').map((word) => {
    const found = allowances.find((one) => one === word.trim());
    const what = `--allow has no "${word.trim()}"; it has ${allowances.join(', ')}`;
    return found ?? fail('USAGE', { what, nearest: nearest(word.trim(), allowances) });
  });
};

/**
 * Asks the running pciback to seize functions.
 *
 * @returns 0, or 1 when one was refused
 * @throws PcibackError `PATTERN_SYNTAX`, `PATTERN_NOTHING`, `BDF_RANGE`, `USAGE`, `CONTROL_UNREACHABLE`
 */
export const runSeize = async (context: CommandContext): Promise<number> => {
  const patterns = named(context);
  const allow = allowed(context.options.allow);
  const client = await context.control<SeizingOperations>();
  const { devices } = await client.require('seize', { patterns, ...(allow === undefined ? {} : { allow }) });
  return tell(context, devices);
};

/** Asks the running pciback to give functions back to the host. Returns and throws as {@link runSeize}. */
export const runRelease = async (context: CommandContext): Promise<number> => {
  const patterns = named(context);
  const { devices } = await (await context.control<SeizingOperations>()).require('release', { patterns });
  return tell(context, devices);
};

// SPDX-License-Identifier: MIT

import { columns } from '../columns.ts';
import type { CommandContext } from '../kinds/command.ts';
import { type EffectiveConfig, type EffectiveValue, effectiveOf, rcSchema } from '../program/effective.ts';
import { declaredSections } from '../program/sections.ts';
import type { ConfigOperations } from './config-operations.ts';

/** On one line, with room between what is in a list, so that it can be folded there. */
const valueText = ({ value }: EffectiveValue): string => {
  if (value === undefined) return 'not set';
  if (typeof value === 'string') return value;
  return JSON.stringify(value, undefined, 1).replaceAll(/\n\s*/g, ' ');
};

const sectionsFor = async (context: CommandContext) => declaredSections((await context.plugins()).registries);

/** The configuration of the running pciback, or what `serve` would have. */
const effectiveFor = async (context: CommandContext): Promise<EffectiveConfig & { readonly isRunning: boolean }> => {
  const asks = context.options.config === undefined;
  const running = asks ? await (await context.control<ConfigOperations>()).ask('config', {}) : undefined;
  if (running !== undefined) return { ...running, isRunning: true };
  return { ...effectiveOf(await context.config(), await sectionsFor(context)), isRunning: false };
};

/** @throws PcibackError what loading the rc file and its plugins throws; `USAGE` */
export const runConfig = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  if (options.schema === true) {
    print(JSON.stringify(rcSchema(await sectionsFor(context)), undefined, 2));
    return 0;
  }
  const { isRunning, file, values } = await effectiveFor(context);
  const shown = options.effective === true ? values : values.filter(({ from }) => from !== 'default');
  if (options.json === true) {
    const source = isRunning ? 'running' : 'rc file';
    print(JSON.stringify({ source, ...(file === undefined ? {} : { file }), values: shown }, undefined, 2));
    return 0;
  }
  print(`${isRunning ? 'the running pciback' : 'pciback serve would have'}, rc file: ${file ?? 'none'}`);
  if (shown.length === 0) print('every key has its default; --effective shows them');
  const rows = shown.map((one) => [one.key, one.from, valueText(one)]);
  for (const line of rows.length === 0 ? [] : columns([['key', 'from', 'value'], ...rows])) print(line.trimEnd());
  return 0;
};

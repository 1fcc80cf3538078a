// SPDX-License-Identifier: MIT

import { relative } from 'node:path';
import type { CommandContext } from '../../core/plugin/index.ts';
import { columns } from '../columns.ts';
import { inventoryOf, type PluginInventory, type PluginStatus } from '../inventory.ts';
import type { PluginOperations } from './plugins-operations.ts';

/** Columns of a terminal. */
const WIDTH = 80;

/** Words on lines of the terminal's width; lines after the first begin with `indent`. */
const wrapped = (first: string, words: readonly string[], indent: string): string[] => {
  const lines = [first];
  for (const word of words) {
    const line = `${lines.at(-1)} ${word}`;
    if (line.length <= WIDTH || lines.at(-1) === indent) lines[lines.length - 1] = line;
    else lines.push(`${indent} ${word}`);
  }
  return lines;
};

/** As short as it can be said: the end of a path says most. */
const originText = (origin: string): string => {
  const near = origin.startsWith('/') ? relative(process.cwd(), origin) : origin;
  const path = near.length < origin.length ? near : origin;
  return path.length <= WIDTH - 10 ? path : `…${path.slice(path.length - WIDTH + 11)}`;
};

const wordsOf = ({ name, brings, taps }: PluginStatus): readonly string[] =>
  [
    // A thing with the plugin's own name, or the end of it, needs no second mention.
    ...Object.entries(brings).map(([kind, names]) =>
      names.length === 1 && name.endsWith(names[0] ?? '') ? kind : `${kind}: ${names.join(', ')}`,
    ),
    ...(taps.length === 0 ? [] : [`taps ${taps.join(', ')}`]),
  ]
    .join('; ')
    .split(' ');

const plainLines = ({ plugins, hooks }: PluginInventory): string[] => {
  const [title = '', ...rows] = columns([
    ['plugin', 'version', 'ms', 'faults', ''],
    ...plugins.map(({ name, kind, version = kind, ms, faults }) => [name, version, ms.toFixed(1), String(faults), '']),
  ]).map((row) => row.slice(0, -1));
  return [
    `${title} brings`,
    ...plugins.flatMap((plugin, index) => [
      ...wrapped(rows[index] ?? '', wordsOf(plugin), ' '.repeat(title.length)),
      ...(plugin.origin === 'bundled' ? [] : [`    from ${originText(plugin.origin)}`]),
    ]),
    '',
    'taps, in the order of the calls:',
    ...Object.entries(hooks).flatMap(([name, taps]) => wrapped(`  ${name}:`, taps, '     ')),
  ];
};

/** @throws PcibackError what loading the rc file and its plugins throws */
export const runPlugins = async (context: CommandContext): Promise<number> => {
  const running = await (await context.control<PluginOperations>()).ask('plugins', {});
  const inventory = running ?? inventoryOf(await context.plugins());
  const source = running === undefined ? `rc file ${(await context.config()).file ?? '(none)'}` : 'the running pciback';
  if (context.options.json === true) {
    context.print(
      JSON.stringify({ source: running === undefined ? 'rc file' : 'running', ...inventory }, undefined, 2),
    );
    return 0;
  }
  context.print(`${source}: ${inventory.plugins.length} plugins and quirks`);
  for (const line of plainLines(inventory)) context.print(line.trimEnd());
  return 0;
};

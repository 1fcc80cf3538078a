// SPDX-License-Identifier: MIT

import { relative } from 'node:path';
import { columns } from '../columns.ts';
import { inventoryOf, type PluginInventory, type PluginStatus } from '../inventory.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { PluginOperations } from './plugins-operations.ts';

/** Columns of a terminal. */
const WIDTH = 80;
/** Beside an origin stand a version and a few words. */
const ORIGIN_WIDTH = WIDTH - 20;

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
  return path.length <= ORIGIN_WIDTH ? path : `…${path.slice(path.length - ORIGIN_WIDTH + 1)}`;
};

/** A name with a comma in it would read as two. */
const listed = (names: readonly string[]): string =>
  names.map((name) => (name.includes(',') ? `"${name}"` : name)).join(', ');

const wordsOf = ({ name, brings, taps }: PluginStatus): readonly string[] =>
  [
    // A thing with the plugin's own name, or the end of it, needs no second mention.
    ...Object.entries(brings).map(([kind, names]) =>
      names.length === 1 && name.endsWith(names[0] ?? '') ? kind : `${kind}: ${listed(names)}`,
    ),
    ...(taps.length === 0 ? [] : [`taps ${taps.join(', ')}`]),
  ]
    .join('; ')
    .split(' ');

/** Of a bundled quirk there is nothing to say but its name, while nothing is wrong with it. */
const isPlain = ({ kind, origin, faults }: PluginStatus): boolean =>
  kind === 'quirk' && origin === 'bundled' && faults === 0;

const plainLines = ({ plugins, hooks }: PluginInventory): string[] => {
  const plain = plugins.filter(isPlain).map(({ name }) => name);
  const own = plugins.filter((one) => !isPlain(one));
  const [title = '', ...rows] = columns([
    ['plugin', 'ms', 'faults', ''],
    ...own.map(({ name, ms, faults }) => [name, ms.toFixed(1), String(faults), '']),
  ]).map((row) => row.slice(0, -1));
  const taps = Object.entries(hooks);
  return [
    `${title} brings`,
    ...own.flatMap((plugin, index) => [
      ...wrapped(rows[index] ?? '', wordsOf(plugin), ' '.repeat(title.length)),
      ...(plugin.origin === 'bundled'
        ? []
        : [`    ${plugin.version ?? plugin.kind} from ${originText(plugin.origin)}`]),
    ]),
    ...(plain.length === 0 ? [] : ['', ...wrapped(`${plain.length} bundled quirks:`, plain, '   ')]),
    ...(taps.length === 0 ? [] : ['', 'taps, in the order of the calls:']),
    ...taps.flatMap(([name, names]) => wrapped(`  ${name}:`, names, '     ')),
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

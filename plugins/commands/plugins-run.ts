// SPDX-License-Identifier: MIT

import { relative, resolve } from 'node:path';
import { describeError } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { printChange } from '../changes.ts';
import { columns, WIDTH } from '../columns.ts';
import { fail } from '../errors.ts';
import { inventoryOf, type PluginInventory, type PluginStatus } from '../inventory.ts';
import type { CommandContext } from '../kinds/command.ts';
import { inRuns } from '../numbered.ts';
import type { PluginOperations } from './plugins-operations.ts';

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
  inRuns(names)
    .map((name) => (name.includes(',') ? `"${name}"` : name))
    .join(', ');

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

const placeLines = ({ from }: PluginInventory): string[] => {
  if (from === undefined) return [];
  const { places, passedOver } = from;
  const shown = places.map(({ name, files }) => {
    const state = files === undefined ? 'not there' : `${files} ${files === 1 ? 'file' : 'files'}`;
    return `  ${originText(name)}${name.startsWith('/') && name !== places[0]?.name ? `: ${state}` : ''}`;
  });
  return [
    '',
    'places, of two with one name that of the first counts:',
    ...shown,
    ...(passedOver.length === 0 ? [] : ['', 'passed over:']),
    ...passedOver.flatMap(({ name, origin, by }) => [
      `  ${name} from ${originText(origin)}:`,
      `    the one from ${originText(by)} counts`,
    ]),
  ];
};

const plainLines = (inventory: PluginInventory): string[] => {
  const { plugins, hooks } = inventory;
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
    ...placeLines(inventory),
  ];
};

const usage = (what: string, near?: string): never => fail('USAGE', { what, nearest: near });

/** @throws PcibackError `USAGE` */
const optionsOf = (text: unknown): Record<string, unknown> | undefined => {
  if (typeof text !== 'string') return undefined;
  try {
    const options: unknown = JSON.parse(text);
    if (typeof options === 'object' && options !== null && !Array.isArray(options)) return { ...options };
    return usage(`--options is no JSON object: ${text}`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return usage(`--options is no JSON: ${describeError(error)}`);
  }
};

const load = async (context: CommandContext, what: string): Promise<number> => {
  const options = optionsOf(context.options.options);
  const client = await context.control<PluginOperations>();
  // A path counts from here; the running pciback stands somewhere else.
  const name = /^\.{0,2}\//.test(what) ? resolve(what) : what;
  const change = await client.require('plugin-load', { name, ...(options === undefined ? {} : { options }) });
  return printChange(context, 'loaded', change);
};

const unload = async (context: CommandContext, name: string): Promise<number> => {
  const client = await context.control<PluginOperations>();
  return printChange(context, 'unloaded', await client.require('plugin-unload', { name }));
};

const actions: Readonly<Record<string, (context: CommandContext, what: string) => Promise<number>>> = { load, unload };

/**
 * Shows what is loaded, or loads and unloads.
 *
 * @returns 0; 1 when a device keeps its old registers
 * @throws PcibackError `USAGE`, `CONTROL_UNREACHABLE`, what the running pciback refuses, and what loading the rc file and its
 * plugins throws
 */
export const runPlugins = async (context: CommandContext): Promise<number> => {
  const [action, what] = context.arguments;
  if (action === undefined) return show(context);
  const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
  if (run === undefined) return usage(`plugins has no action "${action}"`, nearest(action, Object.keys(actions)));
  return run(context, what ?? usage(`plugins ${action} needs the name of a plugin`));
};

const show = async (context: CommandContext): Promise<number> => {
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

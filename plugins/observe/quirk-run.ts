// SPDX-License-Identifier: MIT

import { writeFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import { printChange } from '../changes.ts';
import { columns } from '../columns.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import { readGiven } from '../read-text.ts';
import { learn, quirkJson, quirkSource } from './learn.ts';
import type { QuirkOperations } from './quirk-operations.ts';
import { parseRecording, type Recording } from './recording.ts';

const usage = (what: string, near?: string): never => fail('USAGE', { what, nearest: near });

const required = (context: CommandContext, name: string): string => {
  const [action = '', what] = context.arguments;
  return what ?? usage(`quirk ${action} needs ${name}`);
};

/** The kernel's syntax has an address and a register; a path has neither. */
const isText = (what: string): boolean => /^\s*([0-9a-fx]+:)?[0-9a-fx]+:[0-9a-fx]+\.[0-7]\s*-/i.test(what);

const load = async (context: CommandContext): Promise<number> => {
  const what = required(context, 'a file or a text');
  const { device } = context.options;
  const devices = Array.isArray(device) ? device.map((one) => formatBdf(parseBdf(one))) : undefined;
  const client = await context.control<QuirkOperations>();
  if (!isText(what)) {
    const file = resolve(what);
    const change = await client.require('quirk-load', { file, ...(devices === undefined ? {} : { devices }) });
    return printChange(context, 'loaded', change);
  }
  if (devices !== undefined) usage('a text names its device itself: leave --device out');
  return printChange(context, 'loaded', await client.require('quirk-text', { text: what }));
};

const unload = async (context: CommandContext): Promise<number> => {
  const what = required(context, 'the name of a quirk, or the file that it is from');
  // Names have no dot in front, and no known ending.
  const name = /^[./]|\.(json|[cm]?[jt]s)$/.test(what) ? resolve(what) : what;
  return printChange(
    context,
    'unloaded',
    await (await context.control<QuirkOperations>()).require('quirk-unload', { name }),
  );
};

const list = async (context: CommandContext): Promise<number> => {
  const { quirks } = await (await context.control<QuirkOperations>()).require('quirk-list', {});
  if (context.options.json === true) context.print(JSON.stringify({ quirks }, undefined, 2));
  else {
    const rows = quirks.map(({ name, origin, devices }) => [name, origin, devices.join(' ') || '-']);
    for (const line of columns([['quirk', 'from', 'in force for'], ...rows])) context.print(line);
  }
  return 0;
};

/** A recorded session, or one that was traced elsewhere and is made again here. */
const sessionOf = async (context: CommandContext, file: string): Promise<Recording> => {
  const text = await readGiven(file);
  if (text.trimStart().startsWith('{')) return parseRecording(text, file);
  const { dump, device } = context.options;
  const [address] = Array.isArray(device) ? device : [];
  const [{ parseScript }, { recordingOfScript }, { imageOfDump }] = await Promise.all([
    import('./script.ts'),
    import('./trace-session.ts'),
    import('./dump-device.ts'),
  ]);
  const [dumped] = Array.isArray(dump) ? dump : [];
  // With a dump the device is one of that; the address is then the dump's, unless the trace has several devices.
  const script = parseScript(text, file, address);
  const [{ config }, plugins] = await Promise.all([context.config(), context.plugins()]);
  const image = dumped === undefined ? undefined : (await imageOfDump(dumped, script.device)).image;
  return recordingOfScript(script, file, { config, plugins }, image);
};

const runLearn = async (context: CommandContext): Promise<number> => {
  const recording = await sessionOf(context, resolve(required(context, 'a recording or a trace')));
  const lesson = learn(recording);
  if (lesson.registers.length === 0) {
    context.print('nothing to learn: no write without a field changed anything');
    return 0;
  }
  const { output } = context.options;
  const form = typeof output === 'string' ? extname(output) : '.ts';
  if (form !== '.ts' && form !== '.json') usage(`a quirk ends in .ts or .json, not "${form}"`);
  const { name } = context.options;
  if (typeof name === 'string' && !/^[\w.-]+\/[\w.-]+$/.test(name))
    usage(`"${name}" is no name of a quirk: acme/nic is`);
  const written = form === '.ts' ? quirkSource : quirkJson;
  const text = written(recording, lesson, typeof name === 'string' ? name : undefined);
  if (typeof output !== 'string') context.print(text.trimEnd());
  else {
    await writeFile(output, text);
    const bits = lesson.registers.map(({ offset, mask }) => `0x${offset.toString(16)} mask 0x${mask.toString(16)}`);
    context.print(`${output}: ${lesson.registers.length} registers (${bits.join(', ')})`);
  }
  return 0;
};

const actions: Readonly<Record<string, (context: CommandContext) => Promise<number>>> = {
  load,
  unload,
  list,
  learn: runLearn,
  dev: async (context) => (await import('./quirk-dev-run.ts')).runDev(context),
};

/**
 * Runs one of the actions.
 *
 * @returns 0; 1 when a device keeps its old registers
 * @throws PcibackError `USAGE`, `FILE_UNREADABLE`, `CONTROL_UNREACHABLE`, and what the running pciback refuses
 */
export const runQuirk = async (context: CommandContext): Promise<number> => {
  const [action = ''] = context.arguments;
  const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
  const known = Object.keys(actions);
  if (run === undefined) return usage(`quirk has no action "${action}"`, nearest(action, known));
  return run(context);
};

// SPDX-License-Identifier: MIT

import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { DenialsReport, ExplainOperations, ExplainReport } from './explain-operations.ts';
import { painter, printDenied, printExplained, printMap } from './explain-report.ts';

/** `0xe8:2`. @throws PcibackError `USAGE` */
const parseRange = (text: string | undefined): { readonly offset?: number; readonly size?: number } => {
  if (text === undefined) return {};
  const match = /^(?:0x)?([0-9a-f]{1,3})(?::(\d{1,4}))?$/i.exec(text);
  if (match === null) {
    return fail('USAGE', { what: `"${text}" is not OFFSET[:SIZE], for example 0xe8:2`, nearest: undefined });
  }
  const [, offset = '', size] = match;
  return { offset: Number.parseInt(offset, 16), ...(size === undefined ? {} : { size: Number.parseInt(size, 10) }) };
};

type Asked = ExplainOperations['explain']['asks'];

interface Answers {
  readonly explained: ExplainReport;
  readonly denied: DenialsReport;
  /** No pciback runs: this is what would be. */
  readonly wouldBe: boolean;
  /** What limits the picture. */
  readonly notes: readonly string[];
}

const fromDaemon = async (context: CommandContext, asked: Asked): Promise<Answers | undefined> => {
  const client = await context.control<ExplainOperations>();
  const explained = await client.ask('explain', asked);
  if (explained === undefined) return undefined;
  return { explained, denied: await client.require('denials', { bdf: asked.bdf }), wouldBe: false, notes: [] };
};

const fromHere = async (context: CommandContext, asked: Asked, dump: string | undefined): Promise<Answers> => {
  const { withoutDaemon } = await import('./explain-offline.ts');
  return { ...(await withoutDaemon(context, asked, dump)), wouldBe: true };
};

/**
 * Prints what a guest can do with config space of a device.
 *
 * @returns 0
 * @throws PcibackError `BDF_SYNTAX`, `USAGE`, `DEVICE_NOT_SEIZED` and what there is without a running pciback
 */
export const runExplain = async (context: CommandContext): Promise<number> => {
  const { options, print } = context;
  const [address = '', rangeText] = context.arguments;
  const map = options.map === true;
  const asked: Asked = { bdf: formatBdf(parseBdf(address)), ...parseRange(rangeText), ...(map ? { map } : {}) };
  const dump = typeof options.dump === 'string' ? options.dump : undefined;
  const answers =
    (dump === undefined ? await fromDaemon(context, asked) : undefined) ?? (await fromHere(context, asked, dump));
  const { explained, denied, wouldBe, notes } = answers;
  if (options.json === true) {
    const shown = options.denied === true ? denied : explained;
    print(JSON.stringify({ ...shown, wouldBe, ...(notes.length === 0 ? {} : { notes }) }, undefined, 2));
    return 0;
  }
  const paint = painter(process.stdout.isTTY && process.env.NO_COLOR === undefined ? 'colours' : 'plain');
  if (wouldBe) print('no pciback was asked: this is what a guest would get');
  for (const one of notes) print(`note: ${one}`);
  if (options.denied === true) printDenied(denied, print);
  else if (map) printMap(explained, paint, print);
  else printExplained(explained, print);
  return 0;
};

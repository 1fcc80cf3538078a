// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import { cleanText } from '../clean-text.ts';
import { fail } from '../errors.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { ControlOperations, WatchReport } from './operations.ts';
import { changesOf, frame, lineOf } from './watch-view.ts';

/** A terminal of this size in which the picture is drawn anew each time. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
}

/** Escape sequences: another screen without a cursor, and back; from the top; clear the rest of a line and of the screen. */
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const TOP = '\x1b[H';
const LINE_END = '\x1b[K';
const REST = '\x1b[J';

/** @throws PcibackError `USAGE` */
const numberOf = ({ options }: CommandContext, name: 'interval' | 'count', least: number): number | undefined => {
  const text = options[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  // A timer of Node takes no more than some 24 days.
  if (Number.isFinite(value) && value >= least && value <= 1_000_000) return value;
  const what = `--${name} ${String(text)}: expected a number from ${least} to 1000000`;
  return fail('USAGE', { what, nearest: undefined });
};

const ofProcess = (): Screen | undefined => {
  const { isTTY, columns = 80, rows = 24 } = process.stdout;
  return isTTY && process.env.TERM !== 'dumb' ? { columns, rows } : undefined;
};

/**
 * Shows what a running pciback does, until a signal comes. A pciback that ends is waited for.
 *
 * @param screen the terminal at each moment; `undefined`: there is none, so there is a line for each interval
 * @returns 0
 * @throws PcibackError `CONTROL_UNREACHABLE` when there is none at first, `USAGE`
 */
export const runWatch = async (context: CommandContext, screen = ofProcess): Promise<number> => {
  const seconds = numberOf(context, 'interval', 0.1) ?? 1;
  const count = numberOf(context, 'count', 1) ?? Number.POSITIVE_INFINITY;
  const client = await context.control<ControlOperations>();
  let before: WatchReport | undefined = await client.require('watch', {});
  let at = performance.now();
  const isJson = context.options.json === true;
  const draws = !isJson && screen() !== undefined;
  const draw = (lines: readonly string[]): void => {
    const { columns, rows } = screen() ?? { columns: 80, rows: 24 };
    const shown = lines.slice(0, rows - 1).map((line) => `${cleanText(line).slice(0, columns)}${LINE_END}\n`);
    context.draw(`${TOP}${shown.join('')}${REST}`);
  };
  const ends = new AbortController();
  void context.stop.then(() => ends.abort());
  if (draws) context.draw(ENTER);
  try {
    if (draws) draw(frame(before, undefined, seconds));
    for (let shown = 0; shown < count; shown++) {
      await pause(seconds * 1000, undefined, { signal: ends.signal }).catch(() => undefined);
      if (ends.signal.aborted) break;
      const now: WatchReport | undefined = await client.ask('watch', {});
      const took = (performance.now() - at) / 1000;
      at = performance.now();
      if (now === undefined) {
        const gone = 'no pciback answers; waiting for one';
        if (isJson) context.print(JSON.stringify({ time: new Date().toISOString(), gone: true }));
        else if (draws) draw([gone]);
        else if (before !== undefined) context.print(gone);
      } else {
        // One that was started anew counts from zero.
        const changes = changesOf(now, before?.pid === now.pid ? before : undefined, took);
        if (isJson) context.print(JSON.stringify({ time: new Date().toISOString(), ...changes }));
        else if (draws) draw(frame(now, changes, seconds));
        else context.print(lineOf(changes, new Date()));
      }
      before = now;
    }
  } finally {
    if (draws) context.draw(LEAVE);
  }
  return 0;
};

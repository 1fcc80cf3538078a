// SPDX-License-Identifier: MIT

import { styleText } from 'node:util';
import type { Logger } from '../../core/log.ts';
import { cleanText } from '../clean-text.ts';
import type { LossNote } from './standard-stream.ts';

const levels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof levels)[number];

/** A log whose least level can be changed. */
export interface LevelledLog extends Logger {
  level: LogLevel;
}

/** Where a log goes. */
export interface LogOutput {
  write(line: string): void;
  /** Asked at each line: to look at a standard stream is to make it. */
  readonly colour: boolean;
}

const colours = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

const showValue = (value: unknown): string => {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (value instanceof Error) return JSON.stringify(value.message);
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) ?? '-';
};

const readableLine = (level: LogLevel, facts: object, message: string, colour: boolean): string => {
  const time = new Date().toISOString().slice(11, 23);
  const word = colour ? styleText(colours[level], level.padEnd(5)) : level.padEnd(5);
  const details = Object.entries(facts).map(([key, value]) => ` ${key}=${showValue(value)}`);
  return `${time} ${word} ${cleanText(`${message}${details.join('')}`)}\n`;
};

/** A log for people: `09:12:44.120 info  guest connected guest=1`. */
export const readableLog = (level: LogLevel, output: LogOutput): LevelledLog => {
  const write =
    (of: LogLevel) =>
    (facts: object, message: string): void => {
      if (levels.indexOf(of) < levels.indexOf(log.level)) return;
      output.write(readableLine(of, facts, message, output.colour));
    };
  const log = { level, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  return log;
};

/** A log for machines: one JSON object a line. */
export const jsonLog = async (level: LogLevel, output: Pick<LogOutput, 'write'>): Promise<LevelledLog> => {
  const { pino } = await import('pino');
  const log = pino(
    { level, base: null, formatters: { level: (label) => ({ level: label }) } },
    { write: (line) => output.write(line) },
  );
  return log as LevelledLog;
};

const LOST = 'lines were not written';

/** Lost lines, as a line of the log for people. */
export const readableLoss: LossNote = (lines, why) => readableLine('warn', { lines, why }, LOST, false);

/** The same in the log for machines. */
export const jsonLoss: LossNote = (lines, why) =>
  `${JSON.stringify({ level: 'warn', time: Date.now(), lines, why, msg: LOST })}\n`;

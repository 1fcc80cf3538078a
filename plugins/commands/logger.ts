// SPDX-License-Identifier: MIT

import { styleText } from 'node:util';
import type { Logger } from '../../core/log.ts';

const levels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof levels)[number];

/** Where a readable log goes. */
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

/** A log for people: `09:12:44.120 info  guest connected guest=1`. */
export const readableLog = (level: LogLevel, output: LogOutput): Logger => {
  const lowest = levels.indexOf(level);
  const write =
    (of: LogLevel) =>
    (facts: object, message: string): void => {
      if (levels.indexOf(of) < lowest) return;
      const time = new Date().toISOString().slice(11, 23);
      const word = output.colour ? styleText(colours[of], of.padEnd(5)) : of.padEnd(5);
      const details = Object.entries(facts).map(([key, value]) => ` ${key}=${showValue(value)}`);
      output.write(`${time} ${word} ${message}${details.join('')}\n`);
    };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
};

/** A log for machines: one JSON object a line, on standard output; written at once, so that none is lost at the end. */
export const jsonLog = async (level: LogLevel): Promise<Logger> => {
  const { pino } = await import('pino');
  const log: Logger = pino(
    { level, base: null, formatters: { level: (label) => ({ level: label }) } },
    pino.destination({ fd: 1, sync: true }),
  );
  return log;
};

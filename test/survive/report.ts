// SPDX-License-Identifier: MIT

import type { Ledger } from '../../plugins/platforms/embedded/index.ts';
import type { AskingGuest } from './asking-guest.ts';
import type { Mode } from './service.ts';

/** What goes on when the process is killed. */
export type Act = 'answering' | 'attach' | 'detach' | 'quirk' | 'reset';

/** Milliseconds from a kill to the next answer, one number for each guest and kill. */
export interface Times {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export const timesOf = (milliseconds: readonly number[]): Times => {
  const sorted = [...milliseconds].sort((one, other) => one - other);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
};

export interface Observed {
  readonly terms: { readonly kills: number; readonly seed: number; readonly mode: Mode };
  readonly guests: readonly AskingGuest[];
  readonly done: Readonly<Record<Act, number>>;
  /** Plain registers that were written once more with the same value. */
  readonly again: number;
  readonly waits: Times;
  /** After the end of the process that served. */
  readonly ledger: Ledger;
  readonly status: number | null;
  readonly failure: string | undefined;
}

export interface Outcome {
  readonly lines: readonly string[];
  readonly ok: boolean;
}

/** What is told of each guest. */
const MOST_EXAMPLES = 3;
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** What is still held, in the name of the host's own domain or for a guest's messages. */
const leftOf = ({ mapped, bound, pirqs }: Ledger): number =>
  mapped.filter(({ by }) => by === 0).length +
  bound.filter(({ domain }) => domain === 0).length +
  pirqs.filter(({ kind }) => kind !== 'line').length;

export const outcomeOf = (seen: Observed): Outcome => {
  const { terms, guests, done, again, waits, ledger, status, failure } = seen;
  const counts = guests.map(({ count, guest }) => ({
    ...count,
    // Also those of the kernel and its driver, when a device comes or goes.
    lost: count.lost + guest.report().refusals.filter(({ status: text }) => text === 'no answer').length,
  }));
  const lost = sum(counts.map((one) => one.lost));
  const twice = [...counts.flatMap((one) => one.twice), ...ledger.illegal];
  const wrong = counts.flatMap((one) => one.wrong);
  const noticed = counts.filter((one) => one.lost + one.wrong.length + one.twice.length > 0).length;
  const left = leftOf(ledger);
  const kills = sum(Object.values(done));
  const lines = [
    `${terms.mode}, seed ${terms.seed}: ${kills} of ${terms.kills} kills (${Object.entries(done)
      .map(([act, count]) => `${act} ${count}`)
      .join(', ')})`,
    `requests ${sum(counts.map((one) => one.asked))}, lost ${lost}, executed twice ${twice.length}, wrong answers ${wrong.length}, guests that noticed ${noticed} of ${guests.length}`,
    `plain registers written once more with the same value ${again}`,
    `longest answer ${ms(Math.max(0, ...counts.map((one) => one.longest)))}, longer than 2 s ${sum(counts.map((one) => one.late))}`,
    `time to the next answer after a kill: p50 ${ms(waits.p50)}, p99 ${ms(waits.p99)}, max ${ms(waits.max)} (${waits.count} times)`,
    `held after the end ${left}, status ${status}`,
    ...twice.slice(0, MOST_EXAMPLES).map((one) => `twice: ${one}`),
    ...counts.flatMap((one) => one.wrong.slice(0, MOST_EXAMPLES)).map((one) => `wrong: ${one}`),
    ...(failure === undefined ? [] : [`failed: ${failure}`]),
  ];
  const ok =
    failure === undefined && kills === terms.kills && noticed === 0 && twice.length + left === 0 && status === 0;
  return { lines, ok };
};

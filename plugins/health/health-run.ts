// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import { fail } from '../errors.ts';
import type { CommandContext, ControlClient } from '../kinds/command.ts';
import type { HealthOperations, HealthReport } from './operations.ts';

/** Milliseconds between two questions while it is waited. */
const PAUSE_MS = 100;

/** @throws PcibackError `USAGE` for what is no number of seconds */
const secondsOf = (text: unknown): number => {
  if (text === undefined) return 0;
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds >= 0) return seconds;
  return fail('USAGE', { what: `--wait ${String(text)}: expected a number of seconds`, nearest: undefined });
};

/** Asks until it is ready, or until the time is over. */
const wait = async (client: ControlClient<HealthOperations>, seconds: number): Promise<HealthReport> => {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const left = until - performance.now();
    const report = left > 0 ? await client.ask('health', {}) : await client.require('health', {});
    if (report !== undefined && (report.ready || left <= 0)) return report;
    await pause(PAUSE_MS);
  }
};

/**
 * @returns 0 when it is ready and live, else 1
 * @throws PcibackError `CONTROL_UNREACHABLE`, `USAGE`
 */
export const runHealth = async (context: CommandContext): Promise<number> => {
  const seconds = secondsOf(context.options.wait);
  const report = await wait(await context.control<HealthOperations>(), seconds);
  const { ready, live, since, why, pid, uptimeSeconds, lagMs, worstLagMs } = report;
  if (context.options.json === true) context.print(JSON.stringify(report, undefined, 2));
  else {
    context.print(
      `${ready ? `ready since ${since}` : 'not ready'}, ${live ? 'live' : 'not live'}: process ${pid}, ${uptimeSeconds} s`,
    );
    if (lagMs !== undefined) context.print(`control loop: last turn ${lagMs} ms late, at worst ${worstLagMs} ms`);
    for (const one of why) context.print(`  ${one}`);
  }
  return ready && live ? 0 : 1;
};

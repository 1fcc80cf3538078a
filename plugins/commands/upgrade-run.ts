// SPDX-License-Identifier: MIT

import { setTimeout as pause } from 'node:timers/promises';
import { isPcibackError } from '../../core/errors/index.ts';
import { fail } from '../errors.ts';
import type { CommandContext, ControlClient } from '../kinds/command.ts';
import type { BundledOperations } from '../program/operations.ts';

const LOOK_MS = 50;
/** Milliseconds until nobody answers any more; longer than the one that serves waits for the new one. */
const PATIENCE_MS = 360_000;

/** What the process that answers now says; `undefined`: none does, one being about to begin, or not all of it has begun. */
const askBoth = async (client: ControlClient<BundledOperations>) => {
  try {
    const state = await client.ask('upgrade-state', {});
    const status = await client.ask('status', {});
    if (state === undefined || status === undefined || status.parts.some((part) => part.state === 'waiting'))
      return undefined;
    return { state, pid: status.pid };
  } catch (error) {
    // The old one ended while it was asked, or the new one has only begun.
    if (isPcibackError(error, 'CONTROL_UNREACHABLE') || isPcibackError(error, 'PART_NOT_RUNNING')) return undefined;
    throw error;
  }
};

/** @throws PcibackError `CONTROL_UNREACHABLE`, `UPGRADE_REFUSED` */
export const runUpgrade = async (context: CommandContext): Promise<number> => {
  const client = await context.control<BundledOperations>();
  const begun = await client.require('upgrade', {});
  if (begun.state !== 'starting') return fail('UPGRADE_REFUSED', { why: `it is ${begun.state}` });
  const { pid } = begun;
  context.print(`process ${pid} is started`);
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const seen = await askBoth(client);
    if (seen?.pid === pid) {
      context.print(`process ${pid} serves`);
      return 0;
    }
    if (seen?.state.state === 'refused') return fail('UPGRADE_REFUSED', { why: seen.state.why });
    await pause(LOOK_MS);
  }
  return fail('UPGRADE_REFUSED', { why: `process ${pid} does not answer after ${PATIENCE_MS / 1000} s` });
};

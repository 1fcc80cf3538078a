// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import type { GuestBudgets } from '../../core/budget.ts';
import { fail } from '../../core/errors/index.ts';
import { silent } from '../../core/log.ts';
import { Pciback } from '../../core/pciback.ts';
import { DenialRecord } from '../../core/space/denials.ts';
import type { Tenant } from '../../core/stub/index.ts';
import { guestBudgets } from '../guest-budgets.ts';
import type { CommandContext } from '../kinds/command.ts';
import { createEmbeddedPlatform, hostDevices, limitsOf, readDump } from '../program/index.ts';
import {
  type DenialsReport,
  deniedWrites,
  type ExplainOperations,
  type ExplainReport,
  explainDevice,
} from './explain-operations.ts';

/** Nobody runs in it: it only holds the device, so that its table is compiled. */
const nobody = (budgets: GuestBudgets): Tenant => ({
  domain: 1,
  name: 'none yet',
  denials: new DenialRecord(1),
  budget: budgets.of(1),
  refused: () => {},
  settled: () => {},
  hold: (work) => work(),
  viewChanged: () => {},
});

/**
 * What a guest would get of a device: it is made from its config space, in this process, and given to a guest that does
 * nothing.
 *
 * @param dump file made by lspci -xxxx; `undefined`: this host's own devices, which are only read
 * @throws PcibackError `DEVICE_NOT_FOUND`, `FILE_UNREADABLE`, `DUMP_INVALID`, and what plugins are refused for
 */
export const withoutDaemon = async (
  context: CommandContext,
  asked: ExplainOperations['explain']['asks'],
  dump: string | undefined,
): Promise<{
  readonly explained: ExplainReport;
  readonly denied: DenialsReport;
  /** What limits the picture. */
  readonly notes: readonly string[];
}> => {
  const address = parseBdf(asked.bdf);
  const notes: string[] = [];
  const note = (line: string): void => void notes.push(line);
  const images = dump === undefined ? await hostDevices(undefined, note) : await readDump(resolve(dump), note);
  const image = images.find((one) => one.bdf === address);
  if (image === undefined) {
    const where = dump === undefined ? 'of this host' : `of ${dump}`;
    return fail('DEVICE_NOT_FOUND', { bdf: formatBdf(address), platform: `embedded (devices ${where})` });
  }
  const [{ config }, plugins] = await Promise.all([context.config(), context.plugins()]);
  const platform = createEmbeddedPlatform({ devices: [image] });
  try {
    const budgets = guestBudgets(silent, platform.clock);
    const engine = new Pciback({ platform, plugins, config, log: silent, budgets });
    await engine.stub.assign(address, nobody(budgets));
    notes.push(...limitsOf([image]));
    return { explained: explainDevice(engine, asked), denied: deniedWrites(engine, { bdf: asked.bdf }), notes };
  } finally {
    await platform.close();
  }
};

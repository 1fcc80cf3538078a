// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { formatBdf, parseBdf } from '../../core/bdf.ts';
import { fail } from '../../core/errors/index.ts';
import type { CommandContext } from '../kinds/command.ts';
import { hostDevices, limitsOf, readDump } from '../program/index.ts';
import {
  type DenialsReport,
  deniedWrites,
  type ExplainOperations,
  type ExplainReport,
  explainDevice,
} from './explain-operations.ts';
import { holdDevice } from './held-device.ts';

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
  const { engine, close } = await holdDevice([image], address, { plugins, config });
  try {
    notes.push(...limitsOf([image]));
    return { explained: explainDevice(engine, asked), denied: deniedWrites(engine, { bdf: asked.bdf }), notes };
  } finally {
    await close();
  }
};

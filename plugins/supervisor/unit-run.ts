// SPDX-License-Identifier: MIT

import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CommandContext } from '../kinds/command.ts';
import type { Config } from '../kinds/config.ts';
import { unitText } from './unit-text.ts';

/** Seconds beside the deadlines: reading files, xenstore. */
const SLACK = 30;

/** Seconds that the slowest orderly start and end take; devices are reset and asked side by side. */
export const secondsOf = ({ deadlines, shutdownSeconds }: Pick<Config, 'deadlines' | 'shutdownSeconds'>) => {
  const { apply, partStart, partStop, reset, resetDevice, deviceSeized, deviceReturned } = deadlines;
  const resetting = Math.max(reset, resetDevice);
  return {
    startSeconds: Math.ceil(apply + partStart + resetting + deviceSeized + SLACK),
    stopSeconds: Math.ceil(shutdownSeconds + resetting + deviceReturned + 2 * partStop + SLACK),
  };
};

/** Prints the unit that starts this very pciback. @throws PcibackError what reading the rc file throws */
export const runUnit = async (context: CommandContext): Promise<number> => {
  const { config } = await context.config();
  const { config: file, platform } = context.options;
  const main = realpathSync(process.argv[1] ?? 'pciback');
  const words = [
    ...(typeof file === 'string' ? ['--config', resolve(file)] : []),
    ...(typeof platform === 'string' ? ['--platform', platform] : []),
  ];
  const command = [process.execPath, main, 'serve', ...words];
  context.print(unitText({ command, ...secondsOf(config) }).trimEnd());
  return 0;
};

// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import type { LoadedConfig, PluginEntry } from '../../core/config.ts';
import type { CommandContext } from '../../core/plugin/index.ts';
import { startLoaded } from '../program/start.ts';
import { jsonLog, type LogLevel, readableLog } from './logger.ts';

const openLog = async (context: CommandContext, level: LogLevel) =>
  context.options.json === true
    ? jsonLog(level)
    : readableLog(level, {
        write: (line) => context.print(line.trimEnd()),
        get colour() {
          return process.stdout.isTTY;
        },
      });

/** With `--record`, the plugin that does it is one more of the rc file. */
const recording = (loaded: LoadedConfig, directory: unknown): LoadedConfig => {
  if (typeof directory !== 'string') return loaded;
  const entry: PluginEntry = ['observe/recorder', { directory: resolve(directory) }];
  return { ...loaded, config: { ...loaded.config, plugins: [...loaded.config.plugins, entry] } };
};

/**
 * Serves until a signal comes or the store is lost.
 *
 * @returns 0 after an orderly end, 1 when something was still held then
 * @throws PcibackError what keeps it from starting (`DEVICE_NOT_FOUND` for an address in `hide`), `STORE_LOST`
 */
export const runServe = async (context: CommandContext): Promise<number> => {
  // From now on a signal is kept for later: nothing is to be left half-done.
  const { stop } = context;
  const loaded = recording(await context.config(), context.options.record);
  const { config } = loaded;
  const log = await openLog(context, config.log.level);
  const running = await startLoaded(loaded, { log });
  const { engine, platform } = running;
  let end: string | Error;
  try {
    const { slots, interrupts } = config;
    const facts = { platform: platform.name, slots, interrupts, config: loaded.file ?? 'none', pid: process.pid };
    log.info(facts, 'ready');
    if (platform.name === 'embedded') {
      const { runIncludedGuest } = await import('./included-guest.ts');
      await runIncludedGuest(engine, log);
    }
    end = await Promise.race([stop, engine.failed]);
    if (typeof end !== 'string') throw end;
  } catch (error) {
    await running.abandon();
    throw error;
  }
  log.info({ signal: end }, 'stopping');
  const ledger = await running.stop();
  log.info({ ...ledger }, 'stopped');
  return Object.values(ledger).every((held) => held === 0) ? 0 : 1;
};

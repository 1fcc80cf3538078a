// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { formatBdf } from '../../core/bdf.ts';
import type { Config, LoadedConfig, PluginEntry } from '../../core/config/index.ts';
import { describeError, fail } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import { Pciback } from '../../core/pciback.ts';
import type { Platform } from '../../core/platform/index.ts';
import type { CommandContext } from '../../core/plugin/index.ts';
import type { ControlServer, ControlTerms } from '../control/index.ts';
import { jsonLog, type LogLevel, readableLog } from './logger.ts';
import { configure, loadPlugins, openPlatform, overridesOf } from './setup.ts';

const openLog = async (context: CommandContext, level: LogLevel) =>
  context.options.json === true
    ? jsonLog(level)
    : readableLog(level, {
        write: (line) => context.print(line.trimEnd()),
        get colour() {
          return process.stdout.isTTY;
        },
      });

/** What the rc file hides has to be there: a device that was meant to be kept from the host would not be. */
const assertThere = async (platform: Platform, hide: Config['hide'], log: Logger): Promise<void> => {
  if (hide.length === 0) return;
  const listings = await platform.pci.list();
  for (const pattern of hide) {
    if (listings.some((one) => pattern.matches(one))) continue;
    if (pattern.address !== undefined) {
      fail('DEVICE_NOT_FOUND', { bdf: formatBdf(pattern.address), platform: platform.name });
    }
    log.warn({ pattern: pattern.text }, 'no function to hide');
  }
};

/** With `--record`, the plugin that does it is one more of the rc file. */
const recording = (loaded: LoadedConfig, directory: unknown): LoadedConfig => {
  if (typeof directory !== 'string') return loaded;
  const entry: PluginEntry = ['observe/recorder', { directory: resolve(directory) }];
  return { ...loaded, config: { ...loaded.config, plugins: [...loaded.config.plugins, entry] } };
};

/** Opens the control socket. Guests are served without one too, so what keeps it shut is only said. */
const openControl = async (
  path: string | false,
  terms: ControlTerms,
  log: Logger,
): Promise<ControlServer | undefined> => {
  if (path === false) return undefined;
  const { Control, ControlServer } = await import('../control/index.ts');
  try {
    return await ControlServer.start(path, new Control(terms), log);
  } catch (error) {
    log.warn({ path, why: describeError(error) }, 'no control socket');
    return undefined;
  }
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
  const loaded = recording(await configure(overridesOf(context.options)), context.options.record);
  const { config } = loaded;
  const log = await openLog(context, config.log.level);
  const plugins = await loadPlugins(loaded, log);
  const platform = await openPlatform(plugins, config, log);
  let server: ControlServer | undefined;
  try {
    await assertThere(platform, config.hide, log);
    const pciback = new Pciback({ platform, plugins, config, log });
    await pciback.start();
    log.info(
      {
        platform: platform.name,
        slots: config.slots,
        interrupts: config.interrupts,
        config: loaded.file ?? 'none',
        pid: process.pid,
      },
      'ready',
    );
    const terms = { platform: platform.name, answerer: platform.answerer, pciback, plugins };
    server = await openControl(config.control, terms, log);
    if (platform.name === 'embedded') {
      const { runIncludedGuest } = await import('./included-guest.ts');
      await runIncludedGuest(platform, pciback, log);
    }
    const end = await Promise.race([stop, pciback.failed]);
    // Nothing is loaded any more while devices go back.
    await server?.close();
    if (typeof end !== 'string') throw end;
    log.info({ signal: end }, 'stopping');
    const ledger = await pciback.stop();
    log.info({ ...ledger }, 'stopped');
    return Object.values(ledger).every((held) => held === 0) ? 0 : 1;
  } finally {
    await server?.close();
    await platform.close();
    plugins.close();
  }
};

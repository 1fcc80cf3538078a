// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import type { LoadedConfig, PluginEntry } from '../../core/config.ts';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import type { CommandContext } from '../../core/plugin/index.ts';
import { crashOf, onCrash, tellCrash } from '../crash.ts';
import { bothLogs, LogTail } from '../log-tail.ts';
import { offerReloading, Reloader, type Reloading } from '../program/reload.ts';
import { type RunningPciback, startLoaded } from '../program/start.ts';
import { whatIsLeft } from '../program/stopping.ts';
import { jsonLog, jsonLoss, type LevelledLog, type LogLevel, readableLog, readableLoss } from './logger.ts';
import { configure, overridesOf } from './setup.ts';
import { MOST_PENDING, standardError, standardOutput } from './standard-stream.ts';

/** Lines of the log that a crash report has. */
const CRASH_LINES = 200;

const openLog = async (context: CommandContext, level: LogLevel): Promise<LevelledLog> => {
  const isJson = context.options.json === true;
  for (const stream of [standardOutput, standardError]) {
    stream.most = MOST_PENDING;
    stream.note = isJson ? jsonLoss : readableLoss;
  }
  return isJson ? jsonLog(level, standardOutput) : readableLog(level, standardOutput);
};

/** With `--record`, the plugin that does it is one more of the rc file. */
const recording = (loaded: LoadedConfig, directory: unknown): LoadedConfig => {
  if (typeof directory !== 'string') return loaded;
  const entry: PluginEntry = ['observe/recorder', { directory: resolve(directory) }];
  return { ...loaded, config: { ...loaded.config, plugins: [...loaded.config.plugins, entry] } };
};

/** The same with the result in the log; never rejects. */
const logged = (reloading: Reloading, log: Logger): Reloading => ({
  reload: async () => {
    try {
      const report = await reloading.reload();
      log.info({ ...report }, 'reloaded');
      return report;
    } catch (error) {
      const { code, solve } = isPcibackError(error) ? error : { code: 'DEFECT', solve: undefined };
      log.error({ code, why: describeError(error), ...(solve === undefined ? {} : { solve }) }, 'not reloaded');
      throw error;
    }
  },
});

/** Whatever ends the process before everything was given back: what it leaves is said. @returns takes it back */
const sayWhatIsLeft = ({ engine }: RunningPciback): (() => void) => {
  const say = (): void => {
    const left = whatIsLeft(engine);
    standardError.write(`ended at once; left: ${left.length === 0 ? 'nothing' : left.join(', ')}\n`);
  };
  process.once('exit', say);
  return () => process.off('exit', say);
};

/**
 * Serves until a signal comes or the store is lost.
 *
 * @returns 0 after an orderly end, 1 when something was still held then
 * @throws PcibackError what keeps it from starting (`DEVICE_NOT_FOUND` for an address in `hide`), `STORE_LOST`,
 * `STOP_INCOMPLETE`
 */
export const runServe = async (context: CommandContext): Promise<number> => {
  // From now on a signal is kept for later: nothing is to be left half-done.
  const { stop, options } = context;
  let reload = (): void => undefined;
  let isAsked = false;
  process.on('SIGHUP', () => {
    isAsked = true;
    reload();
  });
  const read = async (): Promise<LoadedConfig> => recording(await configure(overridesOf(options)), options.record);
  const loaded = await read();
  const { config } = loaded;
  const written = await openLog(context, config.log.level);
  const tail = new LogTail(CRASH_LINES);
  const kept = readableLog(config.log.level, { write: (line) => tail.add(line), colour: false });
  const log = bothLogs(written, kept);
  onCrash((crash) => {
    crash.log = tail.lines;
  });
  let reloading: Reloading | undefined;
  const offered = offerReloading(() => reloading);
  const running = await startLoaded(loaded, { log, plugins: [offered] });
  const { engine, platform, plugins } = running;
  const takeBack = sayWhatIsLeft(running);
  let end: string | Error;
  try {
    const setLevel = (level: LogLevel): void => {
      written.level = level;
      kept.level = level;
    };
    const own = logged(new Reloader({ plugins, inForce: running.config, loaded, read, setLevel }), log);
    reloading = own;
    // Refused: the log says why, and nothing has changed.
    reload = () => void own.reload().catch(() => undefined);
    if (isAsked) reload();
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
    tellCrash(crashOf(error));
    await running.abandon();
    takeBack();
    throw error;
  }
  log.info({ signal: end }, 'stopping');
  const ledger = await running.stop().finally(takeBack);
  log.info({ ...ledger }, 'stopped');
  return Object.values(ledger).every((held) => held === 0) ? 0 : 1;
};

// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { describeError, isPcibackError } from '../../core/errors/index.ts';
import type { Logger } from '../../core/log.ts';
import { crashOf, onCrash, tellCrash } from '../crash.ts';
import type { CommandContext } from '../kinds/command.ts';
import type { Config, LoadedConfig, PluginEntry } from '../kinds/config.ts';
import { bothLogs, LogTail } from '../log-tail.ts';
import { HandOver, LEAVING, offerHandOver } from '../program/hand-over.ts';
import { meetFunctions, NO_FUNCTION } from '../program/names.ts';
import { offerReloading, Reloader, type Reloading } from '../program/reload.ts';
import { type Standby, standBy } from '../program/standby.ts';
import { type RunningPciback, startLoaded } from '../program/start.ts';
import { whatIsLeft } from '../program/stopping.ts';
import type { SupervisorOffers } from '../supervisor-offers.ts';
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
  const plugins = [...loaded.config.plugins, entry];
  return { ...loaded, config: { ...loaded.config, plugins }, commandLine: { ...loaded.commandLine, plugins } };
};

/** The same with the result in the log; never rejects. */
const logged = (reloading: Reloading, log: Logger): Reloading => ({
  get loaded() {
    return reloading.loaded;
  },
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

/** What one life of the service needs. */
interface ServeTerms {
  readonly stop: Promise<string>;
  readonly loaded: LoadedConfig;
  readonly log: Logger;
  readonly setLevel: (level: LogLevel) => void;
  readonly read: () => Promise<LoadedConfig>;
  /** Whoever wants a reload calls what is put in here. */
  readonly reload: { ask: () => void; isAsked: boolean };
  readonly standby: Standby | undefined;
}

/**
 * From now on the process waits most of the time: the engine gives back what the start has taken, and asks for less. One that does
 * not know the flag goes on without.
 */
const takeLess = (): void => setFlagsFromString('--optimize-for-size');

/** Serves until it has to end. @returns the status, or that this process has to serve again */
const serveOnce = async (terms: ServeTerms): Promise<number | 'again'> => {
  const { stop, loaded, log, setLevel, read, standby } = terms;
  const { config } = loaded;
  let reloading: Reloading | undefined;
  const handOver = new HandOver({ platform: config.platform, log });
  const plugins = [offerReloading(() => reloading), offerHandOver(() => handOver)];
  const since = Date.now();
  const running = await startLoaded(loaded, { log, plugins, ...(standby === undefined ? {} : { wait: standby.wait }) });
  const { engine, platform } = running;
  const takeBack = sayWhatIsLeft(running);
  let end: string | Error;
  try {
    const inForce = { plugins: running.plugins, inForce: running.config };
    const meet = async (next: Config): Promise<void> => {
      const unmatched = await meetFunctions(next, running.plugins, platform, await platform.pci.list());
      for (const one of unmatched) log.warn({ ...one }, NO_FUNCTION);
    };
    const reloader = new Reloader({ ...inForce, loaded, read, setLevel, since, meet });
    const supervisor = running.parts.offers('supervisor') as SupervisorOffers | undefined;
    const told: Reloading = {
      get loaded() {
        return reloader.loaded;
      },
      reload: () => supervisor?.reloading(() => reloader.reload()) ?? reloader.reload(),
    };
    const own = logged(told, log);
    reloading = own;
    // Refused: the log says why, and nothing has changed.
    terms.reload.ask = () => void own.reload().catch(() => undefined);
    if (terms.reload.isAsked) terms.reload.ask();
    const { backend, slots, interrupts } = config;
    const serves = backend ? { slots, interrupts } : { backend };
    const facts = { platform: platform.name, ...serves, config: loaded.file ?? 'none', pid: process.pid };
    log.info(facts, 'ready');
    standby?.serving();
    takeLess();
    if (platform.name === 'embedded') {
      const { runIncludedGuest } = await import('./included-guest.ts');
      await runIncludedGuest(engine, log);
    }
    end = await Promise.race([stop, engine.failed, handOver.leaving]);
    if (typeof end !== 'string') throw end;
  } catch (error) {
    tellCrash(crashOf(error));
    handOver.cancel();
    try {
      await running.abandon();
      takeBack();
    } catch (secondary) {
      log.error({ why: describeError(secondary) }, 'not let go in order');
    }
    throw error;
  }
  if (end === LEAVING) {
    log.info({ ...handOver.state }, 'upgrade: letting go');
    try {
      await running.abandon();
    } catch (error) {
      // Nothing of it may go on beside the next process, which finds it in the journal, as after a crash.
      log.error({ why: describeError(error) }, 'upgrade: not let go in time, this process ends at once');
      takeBack();
      handOver.letGo();
      return 0;
    }
    takeBack();
    return (await handOver.isTaken()) ? 0 : 'again';
  }
  handOver.cancel();
  log.info({ signal: end }, 'stopping');
  const ledger = await running.stop().finally(takeBack);
  log.info({ ...ledger }, 'stopped');
  return Object.values(ledger).every((held) => held === 0) ? 0 : 1;
};

/**
 * Serves until a signal comes or the store is lost; with `--standby`, when it is its turn.
 *
 * @returns 0 after an orderly end, 1 when something was still held then
 * @throws PcibackError what keeps it from starting (`DEVICE_NOT_FOUND` for an address in `hide`), `STORE_LOST`,
 * `STOP_INCOMPLETE`
 */
export const runServe = async (context: CommandContext): Promise<number> => {
  // From now on a signal is kept for later: nothing is to be left half-done.
  const { stop, options } = context;
  const reload = { ask: (): void => undefined, isAsked: false };
  process.on('SIGHUP', () => {
    reload.isAsked = true;
    reload.ask();
  });
  const read = async (): Promise<LoadedConfig> => recording(await configure(overridesOf(options)), options.record);
  const loaded = await read();
  const { level } = loaded.config.log;
  const written = await openLog(context, level);
  const tail = new LogTail(CRASH_LINES);
  const kept = readableLog(level, { write: (line) => tail.add(line), colour: false });
  const log = bothLogs(written, kept);
  onCrash((crash) => {
    crash.log = tail.lines;
  });
  const setLevel = (next: LogLevel): void => {
    written.level = next;
    kept.level = next;
  };
  const standby = options.standby === true ? standBy(stop, log) : undefined;
  try {
    for (let now = standby; ; now = undefined) {
      const status = await serveOnce({ stop, loaded, log, setLevel, read, reload, standby: now });
      if (status !== 'again') return status;
      log.warn({ pid: process.pid }, 'serving again');
    }
  } catch (error) {
    if (standby?.isOver === true && isPcibackError(error, 'HOST_LOCKED')) {
      log.info({ pid: process.pid }, 'standby: ended');
      return 0;
    }
    standby?.refused(error);
    throw error;
  }
};

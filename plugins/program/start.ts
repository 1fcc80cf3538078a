// SPDX-License-Identifier: MIT

import { describeError } from '../../core/errors/index.ts';
import { type Logger, silent } from '../../core/log.ts';
import { type Ledger, Pciback } from '../../core/pciback.ts';
import type { Platform } from '../../core/platform/index.ts';
import type { Plugin } from '../../core/plugin/index.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { systemClock, within } from '../../core/wall/wall.ts';
import { guestBudgets } from '../guest-budgets.ts';
import { reportingAnswerer } from '../kinds/answerer.ts';
import type { LoadedConfig } from '../kinds/config.ts';
import type { RcFile } from './config.ts';
import type { HostLock, LockWait } from './host-lock.ts';
import { loadPlugins } from './load-plugins.ts';
import { ProgramMeasures, timedEvents } from './measures.ts';
import { absentOf, assertNames, meetFunctions, NO_FUNCTION } from './names.ts';
import { PartRunner, prepareParts } from './part-runner.ts';
import { patientStore, withOthers } from './patient-store.ts';
import { assertThere, lockHost, openPlatform } from './platform.ts';
import { parseConfig } from './rc-file.ts';
import type { LiveConfig } from './reload.ts';
import { stopWithin } from './stopping.ts';

export { loadPlugins } from './load-plugins.ts';
export { withSection } from './platform.ts';

/** What a start can be given beside its configuration. */
export interface StartSettings {
  /** Missing: nothing is logged. */
  readonly log?: Logger;
  /** Loaded after those of the configuration. */
  readonly plugins?: readonly (Plugin | Quirk)[];
  /** Taken in place of the configured one; closed by `stop`, or by the caller when the start fails. */
  readonly platform?: Platform;
  /** How the lock of the host is waited for, when another pciback has it. Missing: it is not waited for. */
  readonly wait?: LockWait;
}

/** A pciback that serves guests in this process. */
export interface RunningPciback {
  readonly engine: Pciback;
  readonly platform: Platform;
  readonly plugins: PluginHost;
  readonly parts: PartRunner;
  readonly config: LiveConfig;
  /**
   * Ends the service: parts, guests, platform and plugins, in this order. Calling it again waits for the same end.
   *
   * @returns what is still held for guests; all zero when everything was given back
   * @throws PcibackError `STOP_INCOMPLETE` when that takes longer than `shutdownSeconds` and `deadlines.stop`
   */
  stop(): Promise<Ledger>;
  /**
   * Lets go of everything without a word to the guests: for the end after `engine.failed`, and for a next process.
   *
   * @throws Error when what is being done to a guest takes longer than 5 s. Nothing is closed then: it would go wrong
   */
  abandon(): Promise<void>;
}

/**
 * Loads the plugins of a configuration, takes the lock of its platform, opens it and serves guests.
 *
 * @throws PcibackError what keeps it from starting; nothing is left then, and nothing was touched before `HOST_LOCKED`
 */
export const startLoaded = async (loaded: LoadedConfig, settings: StartSettings = {}): Promise<RunningPciback> => {
  const { log = silent } = settings;
  const config: LiveConfig = { ...loaded.config };
  const measures = new ProgramMeasures(loaded.file);
  const plugins = await loadPlugins(loaded, log, [measures.plugin, ...(settings.plugins ?? [])]);
  let lock: Pick<HostLock, 'release'> | undefined;
  let opened: Platform | undefined;
  let stop: Stop = async (close) => close();
  const unlock = (): void => {
    lock?.release();
    lock = undefined;
  };
  const close = async (): Promise<void> => {
    try {
      await opened?.close();
    } finally {
      unlock();
      plugins.close();
    }
  };
  const check = async (platform: Platform): Promise<void> => {
    const functions = await platform.pci.list();
    assertThere(platform, config.hide, functions);
    for (const one of await meetFunctions(config, plugins, platform, functions)) log.warn({ ...one }, NO_FUNCTION);
  };
  try {
    assertNames(plugins, config);
    if (settings.platform === undefined) {
      // Who waits has its handles before: nothing of a guest or a device is touched by that.
      if (settings.wait !== undefined) {
        opened = await openPlatform(plugins, config, log);
        await check(opened);
        await prepareParts(plugins, config, log);
        await Promise.race([reportingAnswerer(opened)?.ready, ...(opened.failed === undefined ? [] : [opened.failed])]);
      }
      lock = await lockHost(plugins, config, log, settings.wait && whileOpen(settings.wait, opened));
      opened ??= await openPlatform(plugins, config, log);
    }
    const given = settings.platform ?? (opened as Platform);
    if (settings.wait === undefined) await check(given);
    const patience = patientStore(given.xenstore, () => config.deadlines.store, log);
    const { clock } = given;
    const events = timedEvents(given.events, {
      clock,
      answers: measures.answers,
      isAlone: given.answerer === undefined,
    });
    const platform = withOthers(given, { xenstore: patience.store, events });
    let parts: PartRunner | undefined;
    const budgets = guestBudgets(log, clock);
    measures.counts(() => budgets.heldBack);
    const engine = new Pciback({
      platform,
      plugins,
      config,
      log,
      budgets,
      parts: (beside) => {
        parts = new PartRunner({ engine: beside, config, log });
        return parts;
      },
    });
    stop = (last) => {
      patience.hurry();
      const seconds = config.shutdownSeconds + config.deadlines.stop;
      return stopWithin(engine, { seconds, close: last, silence: () => patience.givenUp });
    };
    await engine.start();
    const names = engine.guests().map(({ name }) => name);
    for (const name of absentOf(config, names))
      log.info({ key: `guests.${name}` }, 'no guest of this name is here yet');
    patience.relax();
    // From now on a platform that was given is this one's to close.
    opened = given;
    return running(engine, parts as PartRunner, config, {
      stop: () => stop(close) as Promise<Ledger>,
      abandon: async () => {
        await within(systemClock, LEAVING, engine.leave());
        // A next process waits for it, and guests for that. What is still open is nothing of theirs.
        unlock();
        await close();
      },
    });
  } catch (error) {
    await stop(close).catch((secondary: unknown) => {
      log.error({ why: describeError(secondary) }, 'not ended in order');
    });
    throw error;
  }
};

/** A lock is of no use any more when the store is lost, or guests cannot be heard. */
const whileOpen = (wait: LockWait, platform: Platform | undefined): LockWait => {
  const lost = new AbortController();
  for (const cause of [platform?.xenstore.lost, platform?.failed]) void cause?.then((error) => lost.abort(error));
  return { ...wait, signal: AbortSignal.any([lost.signal, ...(wait.signal === undefined ? [] : [wait.signal])]) };
};

/** Milliseconds for the requests that are being worked on when guests are let go. */
const LEAVING = 5000;

/** Ends what was begun; `close` comes last. */
type Stop = (close: () => Promise<void>) => Promise<unknown>;

const running = (
  engine: Pciback,
  parts: PartRunner,
  config: LiveConfig,
  { stop, abandon }: Pick<RunningPciback, 'stop' | 'abandon'>,
): RunningPciback => {
  let stopping: Promise<Ledger> | undefined;
  return {
    engine,
    platform: engine.platform,
    plugins: engine.plugins,
    parts,
    config,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
    abandon,
  };
};

/** What {@link startPciback} is started with. */
export interface StartOptions extends StartSettings {
  /** As an rc file has it; missing: the defaults. */
  readonly config?: RcFile;
  /** Absolute; paths and packages in the configuration count from here. Missing: the working directory. */
  readonly directory?: string;
}

/**
 * Starts pciback in this process.
 *
 * @throws PcibackError what keeps it from starting; nothing is left then
 */
export const startPciback = async (options: StartOptions = {}): Promise<RunningPciback> => {
  const { config: given = {}, directory = process.cwd(), ...settings } = options;
  const config = await parseConfig(given, '(given)', directory);
  return startLoaded({ config, directory, file: '(given)' }, settings);
};

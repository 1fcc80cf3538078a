// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { Logger } from '../../core/log.ts';
import type { Pciback } from '../../core/pciback.ts';
import type { Clock, Platform } from '../../core/platform/index.ts';
import type { Plugin } from '../../core/plugin/definition.ts';
import type { PluginHost } from '../../core/plugin/loader.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import type { Config, PluginEntry } from '../../plugins/kinds/config.ts';
import type { GuestOptions, IncludedGuest } from '../../plugins/platforms/embedded/guest.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import { createEmbeddedPlatform, type EmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';
import { samples } from '../../plugins/platforms/embedded/sources.ts';
import type { RcFile } from '../../plugins/program/config.ts';
import type { PartRunner } from '../../plugins/program/part-runner.ts';
import { startPciback } from '../../plugins/program/start.ts';

/** One line of the log, as tests look at it. */
export interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly facts: Record<string, unknown>;
}

/** A log that keeps its lines. */
export const recordingLog = (): { readonly log: Logger; readonly lines: LogLine[] } => {
  const lines: LogLine[] = [];
  const at =
    (level: keyof Logger) =>
    (facts: object, message: string): void => {
      lines.push({ level, message, facts: facts as Record<string, unknown> });
    };
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
};

export interface EmbeddedHostOptions {
  /** Default: the bundled samples. */
  readonly devices?: readonly DeviceImage[];
  /** As in an rc file, with its plugins, quirks and sections; there is no control socket unless it names one. */
  readonly config?: RcFile;
  /** What paths in the configuration count from; missing: the working directory. */
  readonly directory?: string;
  /** As in an rc file, by name, or the things themselves; loaded after those of `config`. */
  readonly plugins?: readonly (PluginEntry | Plugin | Quirk)[];
  /** Files of quirks, as in an rc file. */
  readonly quirks?: readonly string[];
  readonly clock?: Clock;
  /** Interrupts after which the host judges a line; default: as Linux. */
  readonly nobodyCaresAfter?: number;
  /** What pciback gets in place of the embedded platform, for tests that stand between the two. */
  readonly between?: (platform: EmbeddedPlatform) => Platform;
}

/** A whole host in this process: the embedded platform with pciback serving on it. */
export interface EmbeddedHost {
  readonly platform: EmbeddedPlatform;
  readonly plugins: PluginHost;
  readonly pciback: Pciback;
  /** What runs beside it. */
  readonly parts: PartRunner;
  readonly config: Config;
  readonly log: Logger;
  /** What was logged so far. */
  readonly lines: LogLine[];
  /** Seizes these devices, makes a domain that has them and starts its guest. */
  guest(
    devices: readonly Bdf[],
    options?: Omit<GuestOptions, 'domain'> & { readonly name?: string },
  ): Promise<IncludedGuest>;
  /** Stops pciback and closes the platform. */
  close(): Promise<void>;
}

/** What {@link startEmbeddedHost} takes. */
const known: Readonly<Record<keyof EmbeddedHostOptions, true>> = {
  devices: true,
  config: true,
  directory: true,
  plugins: true,
  quirks: true,
  clock: true,
  nobodyCaresAfter: true,
  between: true,
};

/** A test in plain JavaScript may say what is not there; it would be tested with something else than it says. */
const refuseOthers = (options: object): void => {
  for (const key of Object.keys(options)) {
    if (Object.hasOwn(known, key)) continue;
    const near = nearest(key, Object.keys(known));
    const meant = near === undefined ? 'Keys of an rc file stand under `config`.' : `Perhaps you meant "${near}".`;
    throw new TypeError(`startEmbeddedHost has no option "${key}". ${meant}`);
  }
};

type NamedEntry = string | [name: string, options: Record<string, unknown>];

const isNamed = (one: PluginEntry | Plugin | Quirk): one is NamedEntry => typeof one === 'string' || Array.isArray(one);
const isThing = (one: PluginEntry | Plugin | Quirk): one is Plugin | Quirk => !isNamed(one);

/**
 * Starts a host for a test of a plugin: everything bundled is loaded under the chosen preset, then the plugins of the
 * configuration, then those under test.
 *
 * @throws TypeError for an option that there is not; PcibackError what configuration, plugins and quirks are refused for
 */
export const startEmbeddedHost = async (options: EmbeddedHostOptions = {}): Promise<EmbeddedHost> => {
  refuseOthers(options);
  const { log, lines } = recordingLog();
  const { config: rc, plugins: wanted = [], quirks = [] } = options;
  const platform = createEmbeddedPlatform({
    devices: options.devices ?? samples(),
    duties: 'enforced',
    ...(options.nobodyCaresAfter === undefined ? {} : { nobodyCaresAfter: options.nobodyCaresAfter }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  const running = await startPciback({
    config: {
      control: false,
      ...rc,
      plugins: [...(rc?.plugins ?? []), ...wanted.filter(isNamed)],
      quirks: [...(rc?.quirks ?? []), ...quirks],
    },
    platform: options.between?.(platform) ?? platform,
    log,
    ...(options.directory === undefined ? {} : { directory: options.directory }),
    plugins: wanted.filter(isThing),
  });
  const { engine, parts, plugins, config } = running;
  return {
    platform,
    plugins,
    pciback: engine,
    parts,
    config,
    log,
    lines,
    guest: async (devices, { name, ...guestOptions } = {}) => {
      for (const device of devices) await engine.stub.seize(device);
      const domain = await platform.toolstack.create({ devices, ...(name === undefined ? {} : { name }) });
      return platform.startGuest({ domain, ...guestOptions });
    },
    close: async () => {
      await running.stop();
    },
  };
};

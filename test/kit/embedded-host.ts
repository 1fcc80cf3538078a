// SPDX-License-Identifier: MIT

import type { Bdf } from '../../core/bdf.ts';
import { type Config, type ConfigInput, configSchema } from '../../core/config/schema.ts';
import type { Logger } from '../../core/log.ts';
import { Pciback } from '../../core/pciback.ts';
import type { Clock, Platform } from '../../core/platform/index.ts';
import type { Plugin } from '../../core/plugin/definition.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { type BundledPlugin, loadByName } from '../../core/plugin/resolve.ts';
import type { Quirk } from '../../core/quirk/quirk.ts';
import { bundled } from '../../plugins/bundled.ts';
import type { GuestOptions, IncludedGuest } from '../../plugins/platforms/embedded/guest.ts';
import type { DeviceImage } from '../../plugins/platforms/embedded/image.ts';
import { createEmbeddedPlatform, type EmbeddedPlatform } from '../../plugins/platforms/embedded/index.ts';
import { samples } from '../../plugins/platforms/embedded/sources.ts';

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
  readonly config?: ConfigInput;
  /** Beside the bundled fields, quirks, mappers and policies. */
  readonly plugins?: readonly (Plugin | Quirk)[];
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

/** Bundled plugins that a host in this process has no use for; all others serve guests. */
const left = ['platforms', 'native', 'commands'];

/**
 * Starts a host for a test of a plugin: everything bundled that serves guests under the chosen preset is loaded, then
 * the plugins under test.
 */
export const startEmbeddedHost = async (options: EmbeddedHostOptions = {}): Promise<EmbeddedHost> => {
  const { log, lines } = recordingLog();
  const config = configSchema.parse(options.config ?? {});
  const plugins = new PluginHost({ log, deadlines: config.deadlines });
  for (const [name, entry] of Object.entries<BundledPlugin>(bundled)) {
    if (!entry.byDefault || (entry.preset !== undefined && entry.preset !== config.fields)) continue;
    if (config.without.includes(name)) continue;
    if (left.includes(name.split('/')[0] ?? '')) continue;
    await loadByName(plugins, name, undefined, { asked: 'bundled', directory: '/', bundled });
  }
  for (const plugin of options.plugins ?? []) await plugins.load(plugin, undefined, 'test');
  plugins.seal();
  const platform = createEmbeddedPlatform({
    devices: options.devices ?? samples(),
    duties: 'enforced',
    ...(options.nobodyCaresAfter === undefined ? {} : { nobodyCaresAfter: options.nobodyCaresAfter }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  const pciback = new Pciback({ platform: options.between?.(platform) ?? platform, plugins, config, log });
  await pciback.start();
  return {
    platform,
    plugins,
    pciback,
    config,
    log,
    lines,
    guest: async (devices, { name, ...guestOptions } = {}) => {
      for (const device of devices) await pciback.stub.seize(device);
      const domain = await platform.toolstack.create({ devices, ...(name === undefined ? {} : { name }) });
      return platform.startGuest({ domain, ...guestOptions });
    },
    close: async () => {
      await pciback.stop();
      await platform.close();
    },
  };
};

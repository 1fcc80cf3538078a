// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import { type Config, type LoadedConfig, loadConfig, type PluginEntry } from '../../core/config/index.ts';
import { describeError, fail } from '../../core/errors/index.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { Logger } from '../../core/log.ts';
import type { NativeLoader, Platform } from '../../core/platform/index.ts';
import { PluginHost } from '../../core/plugin/loader.ts';
import { type Asker, type BundledPlugin, loadAllByName, type WantedPlugin } from '../../core/plugin/resolve.ts';
import { bundled } from '../bundled.ts';

/** What the command line says over the rc file. */
export interface Overrides {
  readonly config?: string;
  readonly platform?: string;
  readonly native?: string;
  readonly fields?: Config['fields'];
  readonly slots?: string;
  readonly interrupts?: string;
  /** Path of the control socket; counts from the working directory. */
  readonly control?: string;
  readonly logLevel?: Config['log']['level'];
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Takes the overrides out of a command's options. */
export const overridesOf = (options: Readonly<Record<string, unknown>>): Overrides => {
  const names = ['config', 'platform', 'native', 'fields', 'slots', 'interrupts', 'control', 'logLevel'] as const;
  return Object.fromEntries(
    names.flatMap((name) => (text(options[name]) === undefined ? [] : [[name, options[name]]])),
  ) as Overrides;
};

/**
 * The configuration in force: the rc file, and over it the command line. Paths are absolute afterwards.
 *
 * @throws PcibackError what `loadConfig` throws
 */
export const configure = async (overrides: Overrides): Promise<LoadedConfig> => {
  const { config: file, logLevel, control, ...chosen } = overrides;
  const loaded = await loadConfig({ cwd: process.cwd(), ...(file === undefined ? {} : { file }) });
  const { config, directory } = loaded;
  const isWord = (device: string) => device === 'host' || device === 'samples';
  return {
    ...loaded,
    config: {
      ...config,
      ...chosen,
      control:
        control !== undefined
          ? resolve(control)
          : config.control === false
            ? false
            : resolve(directory, config.control),
      log: { level: logLevel ?? config.log.level },
      embedded: {
        devices: config.embedded.devices.map((device) => (isWord(device) ? device : resolve(directory, device))),
      },
    },
  };
};

const nameOf = (entry: PluginEntry): string => (typeof entry === 'string' ? entry : entry[0]);

/** @throws PcibackError `CONFIG_INVALID` for a name in `without` that no bundled plugin has, or that is in `plugins` too. */
const checkWithout = ({ without }: Config, named: ReadonlySet<string>, file: string): void => {
  const known = Object.keys(bundled);
  for (const [index, name] of without.entries()) {
    const key = `without[${index}]`;
    if (!known.includes(name)) {
      const why = `there is no bundled plugin "${name}"`;
      fail('CONFIG_INVALID', { file, key, why, nearest: nearest(name, known) });
    }
    if (named.has(name)) {
      fail('CONFIG_INVALID', { file, key, why: `"${name}" stands in plugins too`, nearest: undefined });
    }
  }
};

/**
 * Loads the bundled plugins of the preset, then the plugins and quirks of the rc file, and checks the order of the hooks. A bundled
 * plugin that the rc file names is loaded once, in the rc file's place and with its options; one that stands in `without`
 * is not loaded.
 *
 * @throws PcibackError what resolving and loading throw, naming rc file and key
 */
export const loadPlugins = async (loaded: LoadedConfig, log: Logger): Promise<PluginHost> => {
  const { config, directory } = loaded;
  const file = loaded.file ?? '(defaults)';
  const host = new PluginHost({ log, deadlines: config.deadlines });
  const asker = (asked: string): Asker => ({ asked, directory, bundled });
  const named = new Set(config.plugins.map(nameOf));
  checkWithout(config, named, file);
  const ours = Object.entries<BundledPlugin>(bundled).filter(
    ([name, { byDefault, preset }]) =>
      byDefault &&
      !named.has(name) &&
      !config.without.includes(name) &&
      (preset === undefined || preset === config.fields),
  );
  const wanted: WantedPlugin[] = [
    ...ours.map(([name]) => ({ name, options: undefined, asker: asker('bundled') })),
    ...config.plugins.map((entry, index) => ({
      name: nameOf(entry),
      options: typeof entry === 'string' ? undefined : entry[1],
      asker: asker(`${file}: plugins[${index}]`),
    })),
    // Unlike plugins, quirks are files only: "nic.json" is one without "./".
    ...config.quirks.map((path, index) => ({
      name: resolve(directory, path),
      options: undefined,
      asker: asker(`${file}: quirks[${index}]`),
    })),
  ];
  await loadAllByName(host, wanted);
  host.seal();
  return host;
};

/**
 * The foreign-function loader of that name; without a name the first that loads.
 *
 * @throws PcibackError `CHOICE_UNKNOWN`, `NATIVE_UNAVAILABLE`
 */
export const openNative = async (host: PluginHost, name: string | undefined): Promise<NativeLoader> => {
  const { natives } = host.registries;
  if (name !== undefined) return natives.get(name)();
  const reasons: string[] = [];
  for (const one of natives.names) {
    try {
      return await natives.get(one)();
    } catch (error) {
      reasons.push(describeError(error));
    }
  }
  return fail('NATIVE_UNAVAILABLE', { wanted: natives.names.join(' or '), why: reasons.join('; ') });
};

/** Makes the configured platform. @throws PcibackError `CHOICE_UNKNOWN` and what the platform throws. */
export const openPlatform = async (host: PluginHost, config: Config, log: Logger): Promise<Platform> => {
  const create = host.registries.platforms.get(config.platform);
  const [answerer] = host.registries.answerers.things;
  const sections: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
    embedded: config.embedded,
    xen: config.xen,
  };
  return create({
    native: () => openNative(host, config.native),
    log,
    watch: host.registries.watches.get(config.watch),
    options: sections[config.platform] ?? {},
    ...(answerer === undefined ? {} : { answerer }),
  });
};

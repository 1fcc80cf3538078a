// SPDX-License-Identifier: MIT

import { resolve } from 'node:path';
import type { PluginHost } from '../../core/plugin/loader.ts';
import { cleanOutput } from '../clean-text.ts';
import { createClient, socketOf } from '../control/index.ts';
import { parseDevicePatterns } from '../device-pattern.ts';
import type { CommandContext, ControlClient } from '../kinds/command.ts';
import type { Config, LoadedConfig } from '../kinds/config.ts';
import { doors } from '../program/doors.ts';
import { systemFolders } from '../program/folders.ts';
import { loadConfig, type ReadCode } from '../program/rc-file.ts';
import { loadPlugins, withSection } from '../program/start.ts';
import type { Terminal } from './terminal.ts';

/** What the command line says over the rc file. */
export interface Overrides {
  readonly config?: string;
  readonly platform?: string;
  readonly native?: string;
  readonly fields?: Config['fields'];
  readonly slots?: string;
  /** What is seized at start, as `parseDevicePatterns` takes it. */
  readonly hide?: string;
  readonly interrupts?: string;
  /** Path of the control socket; counts from the working directory. */
  readonly control?: string;
  readonly logLevel?: Config['log']['level'];
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Takes the overrides out of a command's options. */
export const overridesOf = (options: Readonly<Record<string, unknown>>): Overrides => {
  const names = [
    'config',
    'platform',
    'native',
    'fields',
    'slots',
    'hide',
    'interrupts',
    'control',
    'logLevel',
  ] as const;
  return Object.fromEntries(
    names.flatMap((name) => (text(options[name]) === undefined ? [] : [[name, options[name]]])),
  ) as Overrides;
};

/**
 * The configuration in force: the rc file, and over it the command line.
 *
 * @throws PcibackError what `loadConfig` throws, `PATTERN_SYNTAX`, `BDF_RANGE`
 */
export const configure = async (overrides: Overrides): Promise<LoadedConfig> => {
  const { config: file, logLevel, control, hide, ...chosen } = overrides;
  const readCode: ReadCode = async (path) => (await import('../program/rc-code-run.ts')).readCode(path);
  const loaded = await loadConfig({ cwd: process.cwd(), doors, readCode, ...(file === undefined ? {} : { file }) });
  const log = { level: logLevel ?? loaded.config.log.level };
  const folders = loaded.config.folders ?? systemFolders;
  const hidden = hide === undefined ? {} : { hide: parseDevicePatterns(hide) };
  const config: Config = { ...loaded.config, ...chosen, ...hidden, log, folders };
  const socket = control === undefined ? undefined : resolve(control);
  const commandLine = { ...chosen, hide, 'log.level': logLevel, control: socket };
  return { ...loaded, commandLine, config: socket === undefined ? config : withSection(config, 'control', socket) };
};

/** What a command is run with, and how what it has loaded is let go. */
export interface CommandSession {
  readonly context: CommandContext;
  close(): Promise<void>;
}

/** Makes the context of one run of a command. */
export const openSession = (
  terminal: Terminal,
  options: CommandContext['options'],
  words: readonly string[],
): CommandSession => {
  let config: Promise<LoadedConfig> | undefined;
  let plugins: Promise<PluginHost> | undefined;
  const context: CommandContext = {
    options,
    arguments: words,
    print: (text) => terminal.write(`${cleanOutput(text)}\n`),
    draw: (text) => terminal.write(text),
    // Signals are caught only for a command that asks for them.
    get stop() {
      return terminal.stop();
    },
    log: terminal.log,
    config: () => {
      config ??= configure(overridesOf(options));
      return config;
    },
    plugins: () => {
      plugins ??= context.config().then((loaded) => loadPlugins(loaded, terminal.log));
      return plugins;
    },
    control: async <Operations>() =>
      createClient(socketOf((await context.config()).config)) as ControlClient<Operations>,
  };
  // What was not loaded, or could not be, has nothing to be let go; the command was told.
  const close = async (): Promise<void> => (await plugins?.catch(() => undefined))?.close();
  return { context, close };
};

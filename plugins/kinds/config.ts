// SPDX-License-Identifier: MIT

import type { EngineConfig } from '../../core/config.ts';
import type { DevicePattern } from '../device-pattern.ts';
import type { Deadlines } from './kinds.ts';

/** One element of `plugins`: a name, or a name with the plugin's options. */
export type PluginEntry = string | readonly [name: string, options: Readonly<Record<string, unknown>>];

/** What an rc file says to plugins, each section under its name: not checked before the plugins are loaded. */
export interface Sections {
  /** The rc file, for messages. */
  readonly file: string;
  /** Absolute; paths in the sections count from here. */
  readonly directory: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** What an rc file says: checked, complete, addresses parsed. docs/reference/configuration.md has each key. */
export interface Config extends EngineConfig {
  readonly platform: string;
  readonly hide: readonly DevicePattern[];
  readonly permissive: readonly DevicePattern[];
  readonly allowInterruptControl: readonly DevicePattern[];
  /** Functions that are taken although the host uses them. */
  readonly allowInUse: readonly DevicePattern[];
  /** Devices that guests get although a BAR lies in one page with one of another owner. */
  readonly allowSharedPages: readonly DevicePattern[];
  /** Foreign-function loader; missing: the first that loads. */
  readonly native?: string | undefined;
  readonly plugins: readonly PluginEntry[];
  /** Bundled plugins and quirks that are not loaded. */
  readonly without: readonly string[];
  /** Files of quirks. */
  readonly quirks: readonly string[];
  /** Folders in which a file is enough; missing: none. */
  readonly folders?: readonly string[] | undefined;
  readonly fields: 'kernel' | 'full';
  readonly watch: string;
  /** Seconds. */
  readonly deadlines: Deadlines;
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
  /** Missing: there are none. */
  readonly sections?: Sections;
}

/** A configuration and where it comes from. */
export interface LoadedConfig {
  readonly config: Config;
  /** The rc file; missing: none was found, the defaults are in force. */
  readonly file?: string;
  /** Absolute; paths in the configuration count from here. */
  readonly directory: string;
  /** What the rc file says, as it stands there. Missing: nothing. */
  readonly said?: Readonly<Record<string, unknown>>;
  /** What the command line says over it, by key (`log.level`). Missing: nothing. */
  readonly commandLine?: Readonly<Record<string, unknown>>;
}

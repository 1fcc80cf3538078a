// SPDX-License-Identifier: MIT

import type { Bdf } from './bdf.ts';
import type { Deadlines } from './hooks/table.ts';

/** A test on addresses, as it was written. */
export interface AddressPattern {
  readonly text: string;
  matches(address: Bdf): boolean;
}

/** A test on devices, from a BDF pattern or from ids. */
export interface DevicePattern {
  /** As in the rc file, for messages. */
  readonly text: string;
  /** The address, where the pattern is exactly one. */
  readonly address?: Bdf;
  matches(device: { readonly bdf: Bdf; readonly vendor: number; readonly device: number }): boolean;
}

/** One element of `plugins`: a name, or a name with the plugin's options. */
export type PluginEntry = string | readonly [name: string, options: Readonly<Record<string, unknown>>];

/** What becomes of a device that could not be reset. */
export type ResetOutcome = 'quarantine' | 'allow';

/** Settings of one device in one guest; each overrides the general list of its name, both ways. */
export interface GuestDeviceConfig {
  readonly permissive?: boolean | undefined;
  readonly allowInterruptControl?: boolean | undefined;
}

/** Settings of one guest. */
export interface GuestConfig {
  /** Slot mapper; missing: the general one. */
  readonly slots?: string | undefined;
  /** Interrupt policy; missing: the general one. */
  readonly interrupts?: string | undefined;
  /** By address, as `formatBdf` writes it. */
  readonly devices: Readonly<Record<string, GuestDeviceConfig>>;
}

/** What an rc file says to plugins, each section under its name: not checked before the plugins are loaded. */
export interface Sections {
  /** The rc file, for messages. */
  readonly file: string;
  /** Absolute; paths in the sections count from here. */
  readonly directory: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** What pciback is told, whoever read it: checked, complete, addresses parsed. docs/reference/configuration.md has each key. */
export interface Config {
  readonly platform: string;
  /** Foreign-function loader; missing: the first that loads. */
  readonly native?: string | undefined;
  readonly plugins: readonly PluginEntry[];
  /** Bundled plugins and quirks that are not loaded. */
  readonly without: readonly string[];
  /** Files of quirks. */
  readonly quirks: readonly string[];
  /** Functions that are seized at start. */
  readonly hide: readonly DevicePattern[];
  readonly fields: 'kernel' | 'full';
  readonly slots: string;
  readonly watch: string;
  readonly interrupts: string;
  readonly permissive: readonly AddressPattern[];
  readonly allowInterruptControl: readonly AddressPattern[];
  readonly sharedLines: 'refuse' | 'allow';
  readonly onReset: { readonly failed: ResetOutcome; readonly unsupported: ResetOutcome };
  /** Seconds. */
  readonly deadlines: Deadlines;
  /** Seconds that guests get to let go of their devices. */
  readonly shutdownSeconds: number;
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
  readonly guests: Readonly<Record<string, GuestConfig>>;
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
}

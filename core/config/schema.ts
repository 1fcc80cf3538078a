// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { keySchemas } from './keys.ts';

export type { DevicePattern } from './device-pattern.ts';

type KeySchemas = { readonly [Key in keyof typeof keySchemas]: ReturnType<(typeof keySchemas)[Key]> };

/** The core's keys of an rc file. For a whole one there is `parseConfig`. */
export const configSchema = z.strictObject(
  Object.fromEntries(Object.entries(keySchemas).map(([key, make]) => [key, make()])) as unknown as KeySchemas,
);

/** What an rc file says to plugins, each section under its name: not checked before the plugins are loaded. */
export interface Sections {
  /** The rc file, for messages. */
  readonly file: string;
  /** Absolute; paths in the sections count from here. */
  readonly directory: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** The core's keys of an rc file as it is written. */
export type ConfigInput = z.input<typeof configSchema>;
/** An rc file as pciback uses it: checked, with defaults, addresses parsed. */
export type Config = z.output<typeof configSchema> & {
  /** Missing: there are none. */
  readonly sections?: Sections;
};
/** One element of `plugins`. */
export type PluginEntry = Config['plugins'][number];

// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { keySchemas } from './keys.ts';

export type { DevicePattern } from './device-pattern.ts';

type KeySchemas = { readonly [Key in keyof typeof keySchemas]: ReturnType<(typeof keySchemas)[Key]> };

/** A whole rc file. `parseConfig` explains what does not fit. */
export const configSchema = z.strictObject(
  Object.fromEntries(Object.entries(keySchemas).map(([key, make]) => [key, make()])) as unknown as KeySchemas,
);

/** An rc file as it is written. */
export type ConfigInput = z.input<typeof configSchema>;
/** An rc file as pciback uses it: checked, with defaults, addresses parsed. */
export type Config = z.output<typeof configSchema>;
/** One element of `plugins`. */
export type PluginEntry = Config['plugins'][number];

// SPDX-License-Identifier: MIT

import { z } from 'zod';
import type { GuestDeviceConfig } from '../../core/config.ts';
import type { Config } from '../kinds/config.ts';
import { keySchemas } from './keys.ts';

type KeySchemas = { readonly [Key in keyof typeof keySchemas]: ReturnType<(typeof keySchemas)[Key]> };

/** The core's keys of an rc file. For a whole one there is `parseConfig`. */
export const configSchema = z.strictObject(
  Object.fromEntries(Object.entries(keySchemas).map(([key, make]) => [key, make()])) as unknown as KeySchemas,
);

/** The core's keys of an rc file as it is written. */
export type ConfigInput = z.input<typeof configSchema>;

type Scalar = string | number | boolean | undefined;
/** Of every key whether it may be missing, and its type; what is parsed is nobody's to change, which zod's types do not say. */
type Fixed<Value> = Value extends Scalar | ((...args: never[]) => unknown)
  ? Value
  : {
      readonly [Key in keyof Value]-?: readonly [
        undefined extends Value[Key] ? 'may be missing' : 'is there',
        Fixed<Value[Key]>,
      ];
    };
type Same<One, Other> = [One, Other] extends [Other, One] ? true : never;

type Parsed = z.output<typeof configSchema>;

// What the schema makes and what the core is told cannot differ: each has the other's keys and types, or this is no `true`.
true satisfies Same<Fixed<Parsed>, Fixed<Omit<Config, 'sections'>>>;
// The compiler does not look as deep as this by itself.
true satisfies Same<Fixed<Parsed['guests'][string]['devices'][string]>, Fixed<GuestDeviceConfig>>;

// SPDX-License-Identifier: MIT

import { z } from 'zod';
import type { Config } from '../../core/config.ts';
import { keySchemas } from './keys.ts';

type KeySchemas = { readonly [Key in keyof typeof keySchemas]: ReturnType<(typeof keySchemas)[Key]> };

/** The core's keys of an rc file. For a whole one there is `parseConfig`. */
export const configSchema = z.strictObject(
  Object.fromEntries(Object.entries(keySchemas).map(([key, make]) => [key, make()])) as unknown as KeySchemas,
);

/** The core's keys of an rc file as it is written. */
export type ConfigInput = z.input<typeof configSchema>;

type Scalar = string | number | boolean | undefined;
/** What is parsed is nobody's to change, which zod's types do not say. */
type Fixed<Value> = Value extends Scalar | ((...args: never[]) => unknown)
  ? Value
  : { readonly [Key in keyof Value]: Fixed<Value[Key]> };
type Same<One, Other> = [One, Other] extends [Other, One] ? true : never;

// What the schema makes and what the core is told cannot differ: each has the other's keys and types, or this is no `true`.
true satisfies Same<Fixed<z.output<typeof configSchema>>, Fixed<Omit<Config, 'sections'>>>;

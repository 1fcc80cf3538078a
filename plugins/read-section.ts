// SPDX-License-Identifier: MIT

import { z } from 'zod';
import { fail } from './errors.ts';
import type { Config, Sections } from './kinds/config.ts';
import { explainIssue } from './schema-issue.ts';

/** The sections of an rc file; without one there are none, and paths count from the working directory. */
export const sectionsOf = (config: Config): Sections =>
  config.sections ?? { file: '(defaults)', directory: process.cwd(), values: {} };

/**
 * What the rc file says in one section, checked, with defaults.
 *
 * @throws PcibackError `CONFIG_INVALID`
 */
export const readSection = <Schema extends z.ZodType>(
  config: Config,
  name: string,
  schema: Schema,
): z.output<Schema> => {
  const { file, values } = sectionsOf(config);
  const whole = z.object({ [name]: schema });
  const parsed = whole.safeParse(Object.hasOwn(values, name) ? { [name]: values[name] } : {}, {
    reportInput: true,
    jitless: true,
  });
  if (parsed.success) return parsed.data[name] as z.output<Schema>;
  return fail('CONFIG_INVALID', { file, ...explainIssue(whole, parsed.error.issues[0]) });
};

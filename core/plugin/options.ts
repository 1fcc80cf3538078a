// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { fail } from '../errors/index.ts';
import type { Plugin } from './definition.ts';

/** A refusal of a schema in an operator's words. */
export interface Explanation {
  /** `guests.work-vm.slots`; empty: the value as a whole. */
  readonly key: string;
  readonly why: string;
  readonly nearest: string | undefined;
}

/** Puts a refusal of a schema into words. */
export type ExplainIssue = (schema: z.core.$ZodType, issue: z.core.$ZodIssue | undefined) => Explanation;

/** As the schema says it. */
export const asItIs: ExplainIssue = (_schema, issue) => ({
  key: issue?.path.map(String).join('.') ?? '',
  why: issue?.message ?? 'it is not accepted',
  nearest: undefined,
});

/**
 * Checks the options of a plugin against its schema.
 *
 * @param options as the rc file has them; `undefined`: none were given, the schema's defaults count
 * @returns what the plugin's `apply` gets
 * @throws PcibackError `PLUGIN_OPTIONS`
 */
export const checkOptions = async (plugin: Plugin, options: unknown, explain: ExplainIssue): Promise<unknown> => {
  const { name, options: taken } = plugin;
  if (taken === undefined) {
    if (options === undefined) return undefined;
    return fail('PLUGIN_OPTIONS', { name, where: '(all)', why: 'it takes no options', nearest: undefined });
  }
  const isLate = 'defaults' in taken;
  if (isLate && options === undefined) return taken.defaults;
  const schema = isLate ? await taken.schema() : taken;
  const parsed = schema.safeParse(options ?? {}, { reportInput: true, jitless: true });
  if (parsed.success) return parsed.data;
  const { key, why, nearest } = explain(schema, parsed.error.issues[0]);
  return fail('PLUGIN_OPTIONS', { name, where: key === '' ? '(all)' : key, why, nearest });
};

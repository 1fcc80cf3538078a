// SPDX-License-Identifier: MIT

import { fail } from '../errors/index.ts';
import { explainIssue } from '../errors/schema-issue.ts';
import type { Plugin } from './definition.ts';

/**
 * Checks the options of a plugin against its schema.
 *
 * @param options as the rc file has them; `undefined`: none were given, the schema's defaults count
 * @returns what the plugin's `apply` gets
 * @throws PcibackError `PLUGIN_OPTIONS`
 */
export const checkOptions = async (plugin: Plugin, options: unknown): Promise<unknown> => {
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
  const { key, why, nearest } = explainIssue(schema, parsed.error.issues[0]);
  return fail('PLUGIN_OPTIONS', { name, where: key === '' ? '(all)' : key, why, nearest });
};

// SPDX-License-Identifier: MIT

import { z } from 'zod';
import type { LoadedConfig } from '../kinds/config.ts';
import { readSection } from '../read-section.ts';
import { unwrap } from '../schema-issue.ts';
import { configSchema } from './schema.ts';
import type { Section } from './sections.ts';

/** One key of the configuration in force. */
export interface EffectiveValue {
  /** `onReset.failed`. */
  readonly key: string;
  /** As it would stand in a JSON rc file; missing: it is not set, and has no default. */
  readonly value?: unknown;
  readonly from: 'default' | 'rc file' | 'command line';
}

/** What is in force, and where it comes from. */
export interface EffectiveConfig {
  /** The rc file; missing: there is none. */
  readonly file?: string;
  /** Keys of the core, then the sections of plugins. */
  readonly values: readonly EffectiveValue[];
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;

/** @param said what the rc file says here @param parsed what came of it, with defaults */
const valuesBelow = (key: string, schema: z.core.$ZodType, said: unknown, parsed: unknown): EffectiveValue[] => {
  const { shape } = unwrap(schema);
  if (shape !== undefined && (said === undefined || typeof said === 'object')) {
    return Object.entries(shape).flatMap(([name, below]) =>
      valuesBelow(`${key}.${name}`, below, memberOf(said, name), memberOf(parsed, name)),
    );
  }
  if (said !== undefined) return [{ key, value: said, from: 'rc file' }];
  return [{ key, ...(parsed === undefined ? {} : { value: parsed }), from: 'default' }];
};

/**
 * Every key of a configuration with its value.
 *
 * @throws PcibackError `CONFIG_INVALID` for a section
 */
export const effectiveOf = (loaded: LoadedConfig, sections: readonly Section[]): EffectiveConfig => {
  const { config, file, said = {}, commandLine = {} } = loaded;
  const ofCore = Object.entries<z.ZodType>(configSchema.shape).flatMap(([key, schema]) =>
    valuesBelow(key, schema, said[key], memberOf(config, key)),
  );
  const ofPlugins = sections.flatMap(({ name, schema }) =>
    valuesBelow(name, schema, said[name], readSection(config, name, schema)),
  );
  const values = [...ofCore, ...ofPlugins].map((one): EffectiveValue => {
    const value = commandLine[one.key];
    return value === undefined ? one : { key: one.key, value, from: 'command line' };
  });
  return { ...(file === undefined ? {} : { file }), values };
};

/** The JSON schema of rc files, for editors: the keys of the core, and these sections. */
export const rcSchema = (sections: readonly Section[]): object => {
  const whole = z.strictObject({
    $schema: z.string().optional().describe('Where this schema lies, for editors.'),
    ...configSchema.shape,
    ...Object.fromEntries(sections.map(({ name, schema }) => [name, schema])),
  });
  return z.toJSONSchema(whole, { io: 'input' });
};

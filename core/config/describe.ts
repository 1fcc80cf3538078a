// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { unwrap } from '../errors/schema-issue.ts';
import { configSchema } from './schema.ts';

/** One key of the rc file, for the reference page. */
export interface ConfigRow {
  /** `onReset.failed`; names that the operator chooses stand in `<>`. */
  readonly key: string;
  readonly type: string;
  /** As it would stand in a JSON rc file; missing: no default. */
  readonly default?: string;
  readonly description: string;
}

interface Definition {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly out?: z.core.$ZodType;
  readonly defaultValue?: unknown;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly items?: readonly z.core.$ZodType[];
  readonly options?: readonly z.core.$ZodType[];
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly values?: readonly unknown[];
  readonly entries?: Readonly<Record<string, string>>;
}

const definitionOf = (schema: z.core.$ZodType): Definition => schema._zod.def as unknown as Definition;

const typeName = (schema: z.core.$ZodType): string => {
  const definition = unwrap(schema) as Definition;
  switch (definition.type) {
    case 'enum':
      return Object.values(definition.entries ?? {})
        .map((value) => `"${value}"`)
        .join(' \\| ');
    case 'literal':
      return (definition.values ?? []).map((value) => JSON.stringify(value)).join(' \\| ');
    case 'array':
      return `list of ${definition.element === undefined ? 'values' : typeName(definition.element)}`;
    case 'tuple':
      return `[${(definition.items ?? []).map(typeName).join(', ')}]`;
    case 'union':
      return (definition.options ?? []).map(typeName).join(' or ');
    case 'record':
      return 'object by name';
    default:
      return definition.type;
  }
};

/** The default of a schema under its wrappers; a prefault only says that the object may be left out. */
const defaultOf = (schema: z.core.$ZodType): string | undefined => {
  const definition = definitionOf(schema);
  if (definition.type === 'default') return JSON.stringify(definition.defaultValue);
  return definition.innerType === undefined ? undefined : defaultOf(definition.innerType);
};

const namesOfRecords: Readonly<Record<string, string>> = { guests: '<name>', devices: '<bdf>' };

const rowsOf = (schema: z.core.$ZodType, prefix: string): ConfigRow[] =>
  Object.entries(unwrap(schema).shape ?? {}).flatMap(([name, value]) => {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const byDefault = defaultOf(value);
    const row: ConfigRow = {
      key,
      type: typeName(value),
      ...(byDefault === undefined ? {} : { default: byDefault }),
      description: (value as z.ZodType).description ?? '',
    };
    const inner = unwrap(value) as Definition;
    if (inner.type === 'object') return [row, ...rowsOf(value, key)];
    if (inner.type === 'record' && inner.valueType !== undefined && name in namesOfRecords) {
      return [row, ...rowsOf(inner.valueType, `${key}.${namesOfRecords[name]}`)];
    }
    return [row];
  });

/** Every key of the rc file in the order of the schema. `docs/reference/configuration.md` is made of it. */
export const describeConfig = (): ConfigRow[] => rowsOf(configSchema, '');

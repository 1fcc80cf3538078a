// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { configSchema } from '../../plugins/program/schema.ts';
import type { Section } from '../../plugins/program/sections.ts';
import { unwrap } from '../../plugins/schema-issue.ts';

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

/** The row of a key, and those of the keys below it. */
const rowsAt = (key: string, schema: z.core.$ZodType): ConfigRow[] => {
  const byDefault = defaultOf(schema);
  const row: ConfigRow = {
    key,
    type: typeName(schema),
    ...(byDefault === undefined ? {} : { default: byDefault }),
    description: (schema as z.ZodType).description ?? '',
  };
  const inner = unwrap(schema) as Definition;
  const name = key.split('.').at(-1) ?? '';
  if (inner.type === 'record' && inner.valueType !== undefined && name in namesOfRecords) {
    return [row, ...rowsBelow(`${key}.${namesOfRecords[name]}`, inner.valueType)];
  }
  return [row, ...rowsBelow(key, schema)];
};

/** The rows of the keys below a schema. */
export const rowsBelow = (key: string, schema: z.core.$ZodType): ConfigRow[] =>
  Object.entries(unwrap(schema).shape ?? {}).flatMap(([name, value]) =>
    rowsAt(key === '' ? name : `${key}.${name}`, value),
  );

/** Every key of the core in the order of the schema, then the sections. `docs/reference/configuration.md` is made of it. */
export const describeConfig = (sections: readonly Section[]): ConfigRow[] => [
  ...Object.entries(configSchema.shape).flatMap(([name, value]) => rowsAt(name, value)),
  ...sections.flatMap(({ name, schema }) => rowsAt(name, schema)),
];

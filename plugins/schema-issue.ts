// SPDX-License-Identifier: MIT

import type { z } from 'zod';
import { nearest } from '../core/errors/nearest.ts';
import type { ExplainIssue } from '../core/plugin/options.ts';

/** The parts of a schema that are looked into here; the names are zod's. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly items?: readonly z.core.$ZodType[];
  readonly options?: readonly z.core.$ZodType[];
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
}

/** The definition below defaults, optionals and transforms. */
export const unwrap = (schema: z.core.$ZodType): Definition => {
  const definition = schema._zod.def as unknown as Definition;
  const inner = definition.innerType ?? definition.in;
  return inner === undefined ? definition : unwrap(inner);
};

/** The keys that are known at a path below the schema. */
const keysAt = (schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] => {
  const definition = unwrap(schema);
  if (definition.options !== undefined) return definition.options.flatMap((option) => keysAt(option, path));
  const [step, ...rest] = path;
  if (step === undefined) return Object.keys(definition.shape ?? {});
  const next =
    definition.shape?.[String(step)] ??
    definition.valueType ??
    definition.element ??
    (typeof step === 'number' ? definition.items?.[step] : undefined);
  return next === undefined ? [] : keysAt(next, rest);
};

/** `guests["a b"].devices`, `plugins[0]`. */
export const formatPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const name = String(step);
    if (!/^[\w-]+$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === '' ? name : `${text}.${name}`;
  }, '');

/** The alternative that was probably meant: of those whose outermost shape fits, the one that least is wrong with. */
const likeliest = (issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined =>
  issue.errors
    .filter((branch) => branch.length > 0 && branch.every(liesInside))
    .sort((one, other) => one.length - other.length)[0];

const liesInside = (issue: z.core.$ZodIssue): boolean =>
  issue.path.length > 0 || issue.code === 'unrecognized_keys' || issue.code === 'custom';

/** Puts the first refusal of a schema into an operator's words. */
export const explainIssue: ExplainIssue = (schema, issue) => {
  if (issue === undefined) return { key: '', why: 'it is not accepted', nearest: undefined };
  const key = formatPath(issue.path);
  if (issue.code === 'invalid_union') {
    const [first] = likeliest(issue) ?? [];
    if (first) return explainIssue(schema, { ...first, path: [...issue.path, ...first.path] });
  }
  if (issue.code === 'unrecognized_keys') {
    const [unknown = ''] = issue.keys;
    return {
      key: formatPath([...issue.path, unknown]),
      why: 'there is no such key',
      nearest: nearest(unknown, keysAt(schema, issue.path)),
    };
  }
  if (issue.code === 'invalid_value' && typeof issue.input === 'string') {
    const known = issue.values.map(String);
    return {
      key,
      why: `"${issue.input}" is none of ${known.join(', ')}`,
      nearest: nearest(issue.input, known),
    };
  }
  return { key, why: issue.message.replace(/^Invalid (?:input|option): /, ''), nearest: undefined };
};

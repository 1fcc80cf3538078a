// SPDX-License-Identifier: MIT

import { perhaps } from '../../core/errors/catalogue.ts';
import { nearest } from '../../core/errors/nearest.ts';
import type { RunningOperation } from '../kinds/part.ts';
import { explainIssue } from '../schema-issue.ts';

/** Longest request, in bytes of its line. */
export const LONGEST_REQUEST = 16_384;
/** Longest answer a client reads: a full record of refused writes has some 100 KiB. */
export const LONGEST_ANSWER = 4_194_304;

/** Milliseconds from one space to the next, which go before an answer while it is worked on: a reset may take a minute. */
export const STILL_AT_WORK = 1000;

/** An error as it goes over the socket. */
export interface ErrorAnswer {
  readonly code: string;
  readonly message: string;
  readonly solve: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** One line from the server. */
export type Answer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: ErrorAnswer };

/** A request whose operation is there and whose arguments fit. */
export interface Request {
  readonly id: number;
  readonly operation: RunningOperation;
  readonly args: Readonly<Record<string, unknown>>;
}

/** What is wrong with a line, or the request in it. */
export const parseRequest = (
  line: string,
  operations: ReadonlyMap<string, RunningOperation>,
): Request | { readonly id: number; readonly wrong: string } => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { id: 0, wrong: 'a request is one line of JSON' };
  }
  if (typeof value !== 'object' || value === null) return { id: 0, wrong: 'a request is an object' };
  const { id, op, args = {} } = value as Readonly<Record<string, unknown>>;
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return { id: 0, wrong: '"id" is not a number' };
  const operation = typeof op === 'string' ? operations.get(op) : undefined;
  if (operation === undefined) {
    const names = [...operations.keys()];
    const near = typeof op === 'string' ? perhaps(nearest(op, names)) : '';
    return { id, wrong: `there is no operation ${JSON.stringify(op) ?? '""'}.${near} Known: ${names.join(', ')}` };
  }
  const parsed = operation.asks.safeParse(args, { reportInput: true, jitless: true });
  if (parsed.success) return { id, operation, args: parsed.data };
  const { key, why } = explainIssue(operation.asks, parsed.error.issues[0]);
  return { id, wrong: `${key === '' ? '"args"' : `"${key}"`} of ${op}: ${why}` };
};

// SPDX-License-Identifier: MIT

import { catalogue, type ErrorCode, type ErrorFacts } from './catalogue.ts';

export { catalogue, type ErrorCode, type ErrorFacts } from './catalogue.ts';

/** An error an operator or a plugin author can act on: what is wrong, and the next step. */
export class PcibackError extends Error {
  override readonly name = 'PcibackError';
  readonly code: ErrorCode;
  /** The next step, one or more sentences. */
  readonly solve: string;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, solve: string, facts: Record<string, unknown>, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.solve = solve;
    this.facts = facts;
  }
}

/** Makes the error `code` of the catalogue. */
export const problem = <Code extends ErrorCode>(code: Code, facts: ErrorFacts<Code>, cause?: unknown): PcibackError => {
  const entry = catalogue[code] as unknown as Record<'message' | 'solve', (facts: ErrorFacts<Code>) => string>;
  return new PcibackError(code, entry.message(facts), entry.solve(facts), facts as Record<string, unknown>, cause);
};

/** Throws the error `code` of the catalogue. */
export const fail = <Code extends ErrorCode>(code: Code, facts: ErrorFacts<Code>, cause?: unknown): never => {
  throw problem(code, facts, cause);
};

export const isPcibackError = (error: unknown, code?: ErrorCode): error is PcibackError =>
  error instanceof PcibackError && (code === undefined || error.code === code);

/** One line about anything that was thrown. */
export const describeError = (error: unknown): string => (error instanceof Error ? error.message : String(error));

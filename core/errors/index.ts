// SPDX-License-Identifier: MIT

import { type Catalogue, catalogue, type Entry, type FactsOf } from './catalogue.ts';

export type { ErrorCode } from './catalogue.ts';

/** An error an operator or a plugin author can act on: what is wrong, and the next step. */
export class PcibackError extends Error {
  override readonly name = 'PcibackError';
  /** Of the catalogue that it is from. */
  readonly code: string;
  /** The next step, one or more sentences. */
  readonly solve: string;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, solve: string, facts: Record<string, unknown>, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.solve = solve;
    this.facts = facts;
  }
}

/** What makes and throws the errors of a catalogue. Who has others than the core has one of its own. */
export const errorsOf = <Errors extends Catalogue>(errors: Errors) => {
  type Code = keyof Errors & string;
  const problem = <Of extends Code>(code: Of, facts: FactsOf<Errors[Of]>, cause?: unknown): PcibackError => {
    const { message, solve } = errors[code] as Entry<unknown>;
    return new PcibackError(code, message(facts), solve(facts), facts as Record<string, unknown>, cause);
  };
  const fail = <Of extends Code>(code: Of, facts: FactsOf<Errors[Of]>, cause?: unknown): never => {
    throw problem(code, facts, cause);
  };
  return { problem, fail };
};

/** Make and throw an error of the core. */
export const { problem, fail } = errorsOf(catalogue);

export const isPcibackError = (error: unknown, code?: string): error is PcibackError =>
  error instanceof PcibackError && (code === undefined || error.code === code);

/** One line about anything that was thrown. */
export const describeError = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// SPDX-License-Identifier: MIT

import { isDeepStrictEqual } from 'node:util';

/** One obligation of an interface, as a program that throws when an implementation does not meet it. */
export interface ContractCase<Fixture> {
  readonly name: string;
  run(fixture: Fixture): Promise<void>;
}

/** What became of one case. */
export interface ContractResult {
  readonly name: string;
  readonly failure?: unknown;
}

/** An obligation that is not met. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
}

const show = (value: unknown): string =>
  typeof value === 'bigint'
    ? `${value}n`
    : (JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part)) ?? String(value));

/** @throws ContractError unless `condition` holds. */
export function expectThat(condition: boolean, obligation: string): asserts condition {
  if (!condition) throw new ContractError(obligation);
}

/** @throws ContractError unless the two are equal in type and value, all the way down. */
export const expectEqual = (got: unknown, wanted: unknown, what: string): void => {
  if (!isDeepStrictEqual(got, wanted)) throw new ContractError(`${what}: wanted ${show(wanted)}, got ${show(got)}`);
};

/** The error that `work` throws. @throws ContractError when it throws none. */
export const expectFailure = async (work: () => unknown, what: string): Promise<unknown> => {
  let result: unknown;
  try {
    result = await work();
  } catch (error) {
    return error;
  }
  throw new ContractError(`${what}: wanted an error, got ${show(result)}`);
};

/** Waits until `condition` holds. @throws ContractError after `milliseconds`. */
export const eventually = async (condition: () => boolean, what: string, milliseconds = 5000): Promise<void> => {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > end) throw new ContractError(`${what}: not within ${milliseconds} ms`);
    await delay(2);
  }
};

/** Waits, by the machine's own clock. */
export const delay = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });

const limited = async (work: Promise<void>, milliseconds: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ContractError(`not finished within ${milliseconds} ms`)), milliseconds);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Runs the cases one after the other, all of them, whatever fails.
 *
 * @param report called after each case
 * @param milliseconds limit for one case
 * @returns number of cases that failed
 */
export const runContract = async <Fixture>(
  cases: readonly ContractCase<Fixture>[],
  fixture: Fixture,
  report: (result: ContractResult) => void,
  milliseconds = 30_000,
): Promise<number> => {
  let failed = 0;
  for (const { name, run } of cases) {
    try {
      await limited(run(fixture), milliseconds);
      report({ name });
    } catch (failure) {
      failed += 1;
      report({ name, failure });
    }
  }
  return failed;
};

// SPDX-License-Identifier: MIT

import { Status } from '../ring/layout.ts';

/** How an access or an operation ended when it has no status yet. Protocol statuses are zero or negative. */
export const Outcome = {
  /** The answer comes when the device has settled: the guest waits, nobody else does. */
  later: 1,
  /** Nothing was done: the table alone does not say what to do, so a thread that runs code has to. */
  needsCode: 2,
  /** Of a behaviour's write: the function has to be in D0 for it. It is brought there, and the write is made again. */
  asleep: 3,
} as const;

/**
 * A protocol status (`Status`: 0 is success, errors are negative), or one of {@link Outcome}. Only the interpreter of a
 * table answers `needsCode`; a behaviour and an operation of a device never do.
 */
export type Outcome = number;

/** Whether this is what a behaviour may answer a write with: a status of the protocol, or `later`. */
export const isAnswer = (answer: unknown): answer is Outcome =>
  answer === Outcome.later ||
  answer === Outcome.asleep ||
  (Number.isInteger(answer) && (answer as number) <= 0 && (answer as number) >= Status.opFailed);
